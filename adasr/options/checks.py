"""From the mapping in a file to checked options, with every fault found in one go."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from ..errors import OptionError, did_you_mean
from ..registry import ARCH_REGISTRY, LOSS_REGISTRY
from .components import Component
from .faults import shown
from .fields import check_folder_name
from .schema import Options
from .source import Source
from .wording import reworded


def check_options(
    mapping: Mapping[str, Any],
    source: Source | None = None,
    found: Sequence[OptionError] = (),
) -> Options:
    """``mapping``, as an option YAML holds it, checked and typed.

    Args:
        mapping: keys and values; it stays as it is.
        source: knows the lines, for messages.
        found: what was found wrong before, told together with the rest.

    Raises:
        OptionsFileError: every fault, with its place.
    """
    source = source or Source()
    given, errors = _prepared(mapping)
    errors += found
    try:
        options = Options.model_validate(given)
    except ValidationError as error:
        raise source.error([*errors, *reworded(error, Options)]) from None
    errors += _cross_faults(options)
    if errors:
        raise source.error(errors)
    options._source = source
    return options


def _prepared(mapping: Mapping[str, Any]) -> tuple[dict[str, Any], list[OptionError]]:
    """Empty sections left out, ``upscale`` filled in, datasets of wrong names taken out."""
    given = {key: value for key, value in mapping.items() if value is not None}
    given["network_g"] = _with_upscale(given.get("network_g"), given.get("scale"))
    if given["network_g"] is None:
        del given["network_g"]
    errors = []
    datasets = given.get("datasets")
    if isinstance(datasets, Mapping):
        kept = {name: value for name, value in datasets.items() if value is not None}
        for name in list(kept):
            fault = _name_fault(str(name))
            if fault is not None:
                errors.append(fault)
                del kept[name]
        given["datasets"] = kept
    return given, errors


def _with_upscale(network: Any, scale: Any) -> Any:
    """The network's options with ``upscale`` from the scale, where it has it and lacks it."""
    if not isinstance(network, Mapping) or "upscale" in network or scale is None:
        return network
    name = network.get("type")
    try:
        takes_it = isinstance(name, str) and "upscale" in ARCH_REGISTRY.options(name)
    except OptionError:
        return network
    return {**network, "upscale": scale} if takes_it and _is_whole(scale) else network


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _name_fault(name: str) -> OptionError | None:
    key = ("datasets", name)
    if name != "train" and not name.startswith(("val", "test")):
        near = did_you_mean(name, ["train", "val", "test"])
        hint = near if near.startswith("Did") else f"E.g. 'val_{name}'."
        return OptionError("a dataset is called train, or starts with val or test.", key, hint)
    try:
        check_folder_name(name, key)
    except OptionError as error:
        return error
    return None


def _cross_faults(options: Options) -> list[OptionError]:
    """What is wrong although each option alone is right."""
    return [
        *_upscale(options),
        *_training_set(options),
        *_scored_sets(options),
        *_losses(options),
        *_adversary(options),
        *_alignment(options),
    ]


def _upscale(options: Options) -> Iterator[OptionError]:
    upscale = options.network_g.arguments.get("upscale", options.scale)
    if upscale != options.scale:
        hint = "Leave it out; it is filled in from scale."
        message = f"is {upscale}, but scale is {options.scale}."
        yield OptionError(message, ("network_g", "upscale"), hint)


def _training_set(options: Options) -> Iterator[OptionError]:
    dataset, key = options.datasets.train, ("datasets", "train")
    if dataset is None:
        return
    yield from _gt_size(dataset, options.scale, key)
    if dataset.type == "ImageFolder" and options.degradation is None:
        hint = "Add e.g. degradation: {type: RealESRGAN}, or use PairedFolder."
        yield OptionError("ImageFolder has no LQ images; a degradation makes them.", key, hint)
    if dataset.type == "PairedFolder":
        if options.degradation is not None:
            hint = "Remove the degradation, or use ImageFolder."
            yield OptionError("PairedFolder brings its own LQ images.", ("degradation",), hint)
        if dataset.arguments.get("gt_size") is None:
            hint = "Give the side of a training crop in GT pixels."
            yield OptionError("training needs crops of one size.", (*key, "gt_size"), hint)
    if dataset.type == "DegradedFolder":
        hint = "Train on ImageFolder with a degradation, or on PairedFolder."
        yield OptionError("DegradedFolder is a test set of whole images.", (*key, "type"), hint)


def _scored_sets(options: Options) -> Iterator[OptionError]:
    scored = options.datasets.scored
    for name, dataset in scored.items():
        key = ("datasets", name)
        if options.val is None:
            hint = "Add e.g. val: {metrics: {psnr: {crop_border: 4}}}."
            yield OptionError("no 'val' section says how to score it.", key, hint)
        if dataset.type == "ImageFolder":
            hint = "Use DegradedFolder or PairedFolder."
            yield OptionError("ImageFolder has no LQ images to score.", (*key, "type"), hint)
        if dataset.arguments.get("gt_size") is not None:
            hint = "Leave gt_size out."
            yield OptionError("whole images are scored, not crops.", (*key, "gt_size"), hint)
    if options.val is not None and not scored:
        hint = "Add a dataset such as datasets.val, or leave 'val' out."
        yield OptionError("there is no dataset to score.", ("val",), hint)


def _losses(options: Options) -> Iterator[OptionError]:
    """Each loss stands where what it compares is to be had."""
    train = options.train
    for name, loss in (("pixel_opt", train.pixel_opt), ("perceptual_opt", train.perceptual_opt)):
        if loss is not None and _takes(loss) != _IMAGES:
            hint = f"Write it under train.{_KEYS[_takes(loss)]}."
            message = f"{loss.type} compares {_takes(loss)}, not {_IMAGES}."
            yield OptionError(message, ("train", name, "type"), hint)
    for name, loss, wanted, ours in (
        ("align_opt", train.align_opt, _FEATURES, "FeatureAlignment"),
        ("gan_opt", train.gan_opt, _JUDGEMENTS, "GANLoss"),
    ):
        if loss is None or _takes(loss) == wanted:
            continue
        if name == "gan_opt" and loss.type not in LOSS_REGISTRY:
            continue  # of BasicSR, which does not tell; it is tried when it is built
        key = _KEYS[_takes(loss)]
        place = "train.pixel_opt or train.perceptual_opt" if key is None else f"train.{key}"
        message = f"{loss.type} compares {_takes(loss)}, not {wanted}."
        hint = f"Use {ours}, or write it under {place}."
        yield OptionError(message, ("train", name, "type"), hint)


_IMAGES = "SR with GT"
_FEATURES = "features of two degradations"
_JUDGEMENTS = "what a discriminator says with what it should say"
_KEYS = {_IMAGES: None, _FEATURES: "align_opt", _JUDGEMENTS: "gan_opt"}


def _takes(loss: Component) -> str:
    """What a loss compares."""
    found = LOSS_REGISTRY.get(loss.type)
    if getattr(found, "takes_features", False):
        return _FEATURES
    return _JUDGEMENTS if getattr(found, "adversarial", False) else _IMAGES


def _adversary(options: Options) -> Iterator[OptionError]:
    """A discriminator and its loss come together."""
    train, path = options.train, options.path
    if options.network_d is None:
        hint = "Add e.g. network_d: {type: UNetDiscriminatorSN}, or leave this out."
        given: dict[tuple[str, ...], object] = {
            ("train", "gan_opt"): train.gan_opt,
            ("train", "optim_d"): train.optim_d,
            ("train", "gan_gt_usm"): train.gan_gt_usm,
            ("path", "pretrain_network_d"): path.pretrain_network_d,
        }
        for key, value in given.items():
            if value is not None:
                yield OptionError("there is no discriminator.", key, hint)
    elif train.gan_opt is None and options.datasets.train is not None:
        hint = "Add e.g. train.gan_opt: {type: GANLoss, loss_weight: 0.1}, or leave network_d out."
        yield OptionError("no loss trains it.", ("network_d",), hint)


def _alignment(options: Options) -> Iterator[OptionError]:
    dataset = options.datasets.train
    if options.train.align_opt is None or dataset is None:
        return
    if options.degradation is None:
        message = "compares two degradations of each image, and there is no degradation."
        hint = "Use ImageFolder with e.g. degradation: {type: RealESRGAN}, or leave align_opt out."
        yield OptionError(message, ("train", "align_opt"), hint)
    if dataset.batch_size_per_gpu == 1:
        hint = "Use 2 or more, or leave train.align_opt out."
        message = "align_opt centres features over a batch; those of one image alone are 0."
        yield OptionError(message, ("datasets", "train", "batch_size_per_gpu"), hint)


def _gt_size(dataset: Component, scale: int, key: Iterable[str]) -> Iterator[OptionError]:
    size = dataset.arguments.get("gt_size")
    key = (*key, "gt_size")
    if not isinstance(size, int):
        return
    if size <= 0:
        yield OptionError(f"must be above 0, got {shown(size)}.", key)
    elif size % scale:
        near = max(scale, round(size / scale) * scale)
        yield OptionError(f"{size} is no multiple of the scale {scale}.", key, f"Use e.g. {near}.")
