"""The parts of a training out of options, each with its place in the file in every error."""

from __future__ import annotations

import functools
import inspect
import os
from pathlib import Path
from typing import Any, cast

import torch
from accelerate import Accelerator
from torch import nn
from torch.utils.data import DataLoader, Dataset

from ..data.loader import train_loader
from ..errors import OptionError
from ..evaluation.build import make_datasets, make_metrics
from ..evaluation.pictures import CropSheet
from ..evaluation.scores import Evaluation
from ..evaluation.validate import evaluate
from ..losses.alignment import FeatureAlignment
from ..options import Component, Options
from ..registry import (
    DATASET_REGISTRY,
    DEGRADATION_REGISTRY,
    LOSS_REGISTRY,
    LR_REGISTRY,
    REGULARIZER_REGISTRY,
    SCHEDULE_REGISTRY,
)
from ..regularizers.schedules import LayerwiseAnnealing
from ..regularizers.sites import Site, attach
from ..regularizers.tap import find_site
from .batches import MakePairs
from .log import TrainingLog
from .lr import LearningRate
from .settings import TrainSettings
from .trainer import Validate, scalar


def make_settings(options: Options) -> TrainSettings:
    """The loop's numbers out of the options."""
    train, logger = options.train, options.logger
    return TrainSettings(
        total_iter=train.total_iter,
        seed=options.manual_seed,
        warmup_iter=train.warmup_iter,
        accumulate=train.accumulate,
        grad_clip=train.grad_clip,
        print_freq=logger.print_freq,
        val_freq=options.val.val_freq if options.val else train.total_iter,
        save_freq=logger.save_checkpoint_freq,
        keep_checkpoints=logger.keep_checkpoints,
    )


def make_degradation(options: Options) -> Any:
    """The degradation that turns GT crops into pairs, or None where LQ comes from files."""
    if options.degradation is None:
        return None
    with options.at("degradation"):
        return DEGRADATION_REGISTRY.build(options.degradation.options, scale=options.scale)


def make_training_set(options: Options, degradation: Any = None) -> Any:
    """The dataset of LQ/GT crops, or of the GT frames that ``degradation`` wants."""
    wanted = options.datasets.train
    assert wanted is not None  # require_train has seen to it
    gt_size, frame = wanted.options.get("gt_size"), 0
    if hasattr(degradation, "frame_size") and isinstance(gt_size, int):
        frame = degradation.frame_size(gt_size)
    with options.at("datasets", "train"):
        return DATASET_REGISTRY.build(wanted.options, scale=options.scale, frame=frame)


def pairs_of(degradation: Any, training_set: Any) -> MakePairs | None:
    """What makes pairs out of a batch of the training set; None where it holds pairs.

    A degradation that knows no frames, as those of other packages may, is given float crops.
    """
    if degradation is None:
        return None
    if hasattr(degradation, "frame_size"):
        return functools.partial(degradation, gt_size=training_set.gt_size)

    @functools.wraps(degradation)
    def degrade(gt: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        return degradation(gt / 255 if gt.dtype == torch.uint8 else gt, *args, **kwargs)

    return degrade


def make_loader(
    options: Options,
    training_set: Dataset[Any],
    accelerator: Accelerator,
    done: int,
    drawn: int | None = None,
) -> DataLoader[Any]:
    """Endless batches of the training set, the first being that of iteration ``done + 1``.

    ``drawn`` images have been drawn before, which the number of processes may have changed.
    """
    wanted = options.datasets.train
    assert wanted is not None  # require_train has seen to it
    return train_loader(
        training_set,
        wanted.batch_size_per_gpu,
        min(wanted.num_worker_per_gpu, _cores()),  # the batches are the same for any number
        options.manual_seed,
        done * options.train.accumulate,
        accelerator.process_index,
        accelerator.num_processes,
        drawn=drawn,
    )


def make_schedule(options: Options) -> LearningRate | None:
    """The learning-rate schedule, or None for a constant rate."""
    wanted = options.train.scheduler
    if wanted is None:
        return None
    with options.at("train", "scheduler"):
        return LR_REGISTRY.build(wanted.options, total_iter=options.train.total_iter)


def regularize(net: nn.Module, options: Options) -> tuple[list[Site], LayerwiseAnnealing | None]:
    """Attach the options' regularizer to ``net`` and make its schedule."""
    wanted = options.regularizer
    if wanted is None:
        return [], None
    with options.at("regularizer"):
        prototype = REGULARIZER_REGISTRY.build(wanted.options)
        sites = attach(net, prototype, wanted.sites, _example(net))
    if wanted.schedule is None or not sites:
        return sites, None
    with options.at("regularizer", "schedule"):
        return sites, SCHEDULE_REGISTRY.build(
            wanted.schedule.options, sites=sites, total_iter=options.train.total_iter
        )


def align(
    options: Options, net: nn.Module, make_pairs: MakePairs | None
) -> tuple[MakePairs | None, FeatureAlignment | None]:
    """The options' loss on features, tried on ``net``, and the degradation that serves it.

    Without such a loss ``make_pairs`` comes back as it is, with one it makes two views of a batch.
    """
    wanted = options.train.align_opt
    if wanted is None:
        return make_pairs, None
    with options.at("train", "align_opt"):
        if make_pairs is None or "views" not in inspect.signature(make_pairs).parameters:
            name = options.degradation.type if options.degradation else "no degradation"
            raise OptionError(
                f"compares two degradations of each image, and {name} gives one at most.",
                hint="Use a random degradation such as RealESRGAN, or leave align_opt out.",
            )
        alignment = LOSS_REGISTRY.build(wanted.options)
        find_site(net, alignment.site, _example(net))
    return functools.partial(cast(Any, make_pairs), views=2), alignment


def choose_targets(
    options: Options, degradation: Any, make_pairs: MakePairs | None
) -> tuple[MakePairs | None, frozenset[str]]:
    """The losses that compare with the plain GT though the degradation sharpens it.

    Returns:
        The degradation, which gives both GT if there are any, and their names in the log.
    """
    train = options.train
    wanted = {
        "l_pix": ("l1_gt_usm", train.l1_gt_usm, train.pixel_opt),
        "l_percep": ("percep_gt_usm", train.percep_gt_usm, train.perceptual_opt),
        "l_g_gan": ("gan_gt_usm", train.gan_gt_usm, train.gan_opt),
    }
    sharpens, plain = bool(getattr(degradation, "gt_usm", False)), set()
    for name, (key, sharpened, loss) in wanted.items():
        if sharpened and not sharpens:
            fault = OptionError(
                "there is no sharpened GT.",
                ("train", key),
                "Write gt_usm: true in a degradation such as RealESRGAN, or leave this out.",
            )
            raise options.source.error([fault])
        if sharpened is False and sharpens and loss is not None:
            plain.add(name)
            if make_pairs is None or "gt_plain" not in inspect.signature(make_pairs).parameters:
                kind = options.degradation.type if options.degradation else "the degradation"
                fault = OptionError(
                    f"{kind} gives no GT but the sharpened one.",
                    ("train", key),
                    "Write gt_usm: false in the degradation, or use one of adasr's own.",
                )
                raise options.source.error([fault])
    if plain:
        make_pairs = functools.partial(cast(Any, make_pairs), gt_plain=True)
    return make_pairs, frozenset(plain)


def make_losses(options: Options) -> dict[str, nn.Module]:
    """The losses that the options ask for, by their names in the log."""
    wanted = {"l_pix": ("pixel_opt", options.train.pixel_opt)}
    wanted["l_percep"] = ("perceptual_opt", options.train.perceptual_opt)
    losses = {}
    for name, (key, component) in wanted.items():
        if component is not None:
            with options.at("train", key):
                losses[name] = _tried(_built(component), component.type)
    if not losses:
        fault = OptionError("no loss between SR and GT is left.", ("train", "pixel_opt"))
        raise options.source.error([fault])
    return losses


def _built(component: Component) -> nn.Module:
    try:
        return LOSS_REGISTRY.build(component.options)
    except OSError as error:  # pretrained weights that are not here and cannot be downloaded
        raise OptionError(
            f"{component.type} needs a file that cannot be had ({error}).",
            hint="Put it where it is looked for, or choose another loss.",
        ) from None
    except Exception as error:
        if component.type in LOSS_REGISTRY or isinstance(error, OptionError):
            raise
        # Of another package, which raises whatever it does at a wrong option.
        raise OptionError(f"{component.type} cannot be built: {error}.") from None


def _tried(loss: nn.Module, name: str) -> nn.Module:
    """The loss, after a call: those of other packages may want something else than (SR, GT)."""
    gray = torch.full((1, 3, 64, 64), 0.5)
    try:
        scalar(loss(gray, gray))
    except Exception as error:  # whatever a loss of another package raises
        raise OptionError(
            f"{name} cannot compare SR with GT ({error}).", hint="Choose another loss."
        ) from None
    return loss


def make_validator(options: Options, folder: Path, log: TrainingLog) -> Validate | None:
    """A function that scores a network on every ``val`` dataset of the options."""
    datasets = make_datasets(options, options.validation_datasets)
    if options.val is None or not datasets:
        return None
    metrics = make_metrics(options, log.warn)
    if not metrics:
        log.warn("no metric can be had here; going on without validation.")
        return None
    save_img = options.val.save_img
    log_images = options.val.log_images if log.shows_images else 0

    def validate(network: nn.Module, iteration: int) -> tuple[dict[str, float], float]:
        scores: dict[str, float] = {}
        found: list[Evaluation] = []
        for name, dataset in datasets.items():
            place = folder / "visualization" / str(iteration) / name if save_img else None
            sheet = CropSheet(log_images)
            result = evaluate(
                network, dataset, metrics, save_dir=place, on_image=sheet, dataset_name=name
            )
            if (picture := sheet.picture()) is not None:
                log.images(iteration, "images", {name: picture})
            for image, problem in result.failures.items():
                log.warn(f"{name}: {image}: {problem}")
            for label in metrics:
                scores[f"{name}/{label}"] = result.mean(label)
                for recipe in result.recipes if len(result.recipes) > 1 else []:
                    scores[f"{name}/{recipe}/{label}"] = result.mean(label, recipe)
            found.append(result)
        told = ", ".join(f"{k} {v:.4g}" for k, v in scores.items() if k.count("/") == 1)
        log.info(f"validation at iteration {iteration}: {told}")
        first = next(iter(metrics))
        means = [result.mean(first) for result in found]
        rank = sum(means) / len(means)
        return scores, rank if found[0].higher_is_better[first] else -rank

    return validate


def _example(net: nn.Module) -> torch.Tensor:
    return torch.zeros(1, 3, 32, 32, device=next(net.parameters()).device)


def _cores() -> int:
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1
