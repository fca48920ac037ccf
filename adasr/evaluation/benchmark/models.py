"""The networks of a benchmark: what their files tell, their names, which belong together."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from ...errors import OptionError, WeightsError
from ...options.yaml_text import parse
from ...weights import load_network, network_scale
from ...weights.build import input_channels
from ...weights.load import identify
from ...weights.names import name_of
from ..baseline import bicubic
from ..results import BICUBIC, Model
from .journal import key_of

# What does not make a network another one: where files lie, how often something is told, and the
# two that seeds of one configuration differ by.
_NEUTRAL = ("name", "manual_seed", "path", "logger", "val")
_NEUTRAL_TRAIN_SET = ("num_worker_per_gpu", "cache", "cache_dir", "prefetch_mode")
_SEED_SUFFIX = re.compile(r"[_.\-]*(?:seed|s)?[_\-]?\d+$")
_PLAIN_STEMS = re.compile(r"net_g(_\w+)?|model|weights|params(_ema)?|best|last|latest")


@dataclass(frozen=True)
class ModelFile:
    """A weights file to be scored.

    Attributes:
        path: ``.safetensors`` or ``.pth``.
        name: what to call it; "" for what the file says.
        group: the configuration that it is one seed of; "" for what the file says.
        seed: of its training; None for what the file says.
    """

    path: Path
    name: str = ""
    group: str = ""
    seed: int | None = None


@dataclass(frozen=True)
class Contestant:
    """One network of a benchmark.

    Attributes:
        model: what goes into the results.
        load: gives the network, on the CPU, in evaluation mode.
        key: of everything that its output depends on.
    """

    model: Model
    load: Callable[[], nn.Module]
    key: str


def baseline(scale: int) -> Contestant:
    """Bicubic interpolation."""
    model = Model(BICUBIC, BICUBIC, network=f"bicubic interpolation x{scale}")
    return Contestant(model, lambda: bicubic(scale), key_of(network=BICUBIC, scale=scale))


def read_models(
    files: Sequence[ModelFile],
    groups: Mapping[str, str],
    families: Callable[[Mapping[str, str]], tuple[str, ...] | None],
    tell: Callable[[str], None],
) -> tuple[int, list[Contestant]]:
    """The networks of weights files, and their scale.

    Args:
        files: in the order of the tables; a file named twice is taken once.
        groups: name of a group to a pattern of models' names (``*`` and ``?``).
        families: what a file's metadata tell of the degradations of its training.
        tell: takes lines for a person.

    Raises:
        WeightsError: a file cannot be used.
        OptionError: networks of several scales, or a pattern that fits no model.
    """
    found: list[_Read] = []
    places: dict[Path, ModelFile] = {}
    for file in files:
        place = file.path.expanduser().resolve()
        if place in places:
            tell(f"{file.path} is named twice and taken once.")
            continue
        places[place] = file
        found.append(_read(file, families))
    if not found:
        raise OptionError("names no weights.", ("--model",), "Give one or more weights files.")
    first = found[0]
    for other in found[1:]:
        if other.scale != first.scale:
            raise OptionError(
                f"{first.file.path} enlarges x{first.scale}, but {other.file.path} x{other.scale}.",
                ("--model",),
                "Scores of different scales do not compare: give one command for each scale.",
            )
    for number, one in enumerate(found):
        for earlier in found[:number]:
            if one.model.sha256 == earlier.model.sha256:
                tell(f"{one.file.path} holds the same weights as {earlier.file.path}.")
                break
    names = _names(found)
    models = [replace(one.model, name=name) for one, name in zip(found, names, strict=True)]
    models = _grouped(models, [one.configuration for one in found], groups)
    return first.scale, [
        Contestant(model, _loader(one.file.path), key_of(weights=one.model.sha256))
        for one, model in zip(found, models, strict=True)
    ]


class GrayPlanes(nn.Module):
    """A network of gray images on colour ones: each plane by itself, as ``Upscaler`` does."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net, self.upscale = net, network_scale(net)
        self.size_multiple = int(getattr(net, "size_multiple", 1))
        self.size_minimum = int(getattr(net, "size_minimum", 1))

    def forward(self, lq: Tensor) -> Tensor:
        """(N, C, h, w) to (N, C, H, W)."""
        return self.net(lq.flatten(0, 1)[:, None]).unflatten(0, lq.shape[:2])[:, :, 0]


@dataclass(frozen=True)
class _Read:
    file: ModelFile
    model: Model
    scale: int
    configuration: str  # equal for seeds of one training; "" where unknown


def _read(
    file: ModelFile, families: Callable[[Mapping[str, str]], tuple[str, ...] | None]
) -> _Read:
    path = file.path.expanduser()
    if path.suffix.lower() == ".onnx":
        raise WeightsError(
            path, "is an ONNX file", "Benchmark the weights that it was exported from."
        )
    loaded = identify(path)
    held, options = loaded.metadata, _options(loaded.metadata.get("options", ""))
    seed = options.get("manual_seed") if file.seed is None else file.seed
    training = {key: held[key] for key in ("name", "iteration") if key in held}
    training |= {k: options[k] for k in ("regularizer", "degradation") if options.get(k)}
    if isinstance(options.get("train"), dict) and options["train"].get("total_iter"):
        training["total_iter"] = options["train"]["total_iter"]
    model = Model(
        name=file.name or _own_name(path, held),
        group=file.group,
        seed=seed if isinstance(seed, int) else None,
        file=str(path),
        sha256=_sha256(path),
        network=name_of(loaded.net),
        parameters=sum(parameter.numel() for parameter in loaded.net.parameters()),
        trained_on=families(held),
        training=json.loads(json.dumps(training, default=str)),
    )
    return _Read(file, model, network_scale(loaded.net), _configuration(options, held))


def _loader(path: Path) -> Callable[[], nn.Module]:
    def load() -> nn.Module:
        net = load_network(path.expanduser())
        return GrayPlanes(net).eval() if input_channels(net) == 1 else net

    return load


def _own_name(path: Path, metadata: Mapping[str, str]) -> str:
    """What the training was called, else the file, else the folder of a training."""
    if metadata.get("name"):
        return metadata["name"]
    if not _PLAIN_STEMS.fullmatch(path.stem):
        return path.stem
    folders = [part for part in path.absolute().parent.parts if part not in ("models", "weights")]
    return folders[-1] if len(folders) > 1 else path.stem


def _names(found: Sequence[_Read]) -> list[str]:
    """Names that no two share, the shortest addition that tells them apart."""
    names = [one.model.name for one in found]
    additions: list[Callable[[_Read], str]] = [
        lambda one: str(one.model.training.get("iteration", "")),
        lambda one: one.file.path.stem,
        lambda one: "/".join(one.file.path.absolute().parts[-3:]),
        lambda one: one.model.sha256[:8],
    ]
    for addition in additions:
        taken = [BICUBIC, *names]
        names = [
            f"{name} {addition(one)}".strip() if taken.count(name) > 1 else name
            for name, one in zip(names, found, strict=True)
        ]
    return [f"{n} #{i + 1}" if [BICUBIC, *names].count(n) > 1 else n for i, n in enumerate(names)]


def _options(text: str) -> dict[str, Any]:
    try:
        options = parse(text)[0] if text else {}
    except Exception:  # another version's options must not hide the weights
        return {}
    return options if isinstance(options, dict) else {}


def _configuration(options: Mapping[str, Any], metadata: Mapping[str, str]) -> str:
    """All of a training but its seed and its name, as a text to compare."""
    if not options:
        return ""
    kept = {key: value for key, value in options.items() if key not in _NEUTRAL}
    datasets = kept.get("datasets")
    if isinstance(datasets, dict):
        train = datasets.get("train")
        if isinstance(train, dict):
            train = {k: v for k, v in train.items() if k not in _NEUTRAL_TRAIN_SET}
        kept["datasets"] = train
    kept["iteration"] = metadata.get("iteration", "")
    return json.dumps(kept, sort_keys=True, default=str)


def _grouped(
    models: list[Model], configurations: Sequence[str], patterns: Mapping[str, str]
) -> list[Model]:
    for group, pattern in patterns.items():
        fitting = [i for i, model in enumerate(models) if fnmatchcase(model.name, pattern)]
        if not fitting:
            names = ", ".join(model.name for model in models)
            raise OptionError(
                f"no model is called like '{pattern}'.", ("--group",), f"There are: {names}."
            )
        for i in fitting:
            models[i] = replace(models[i], group=group)
    seeds: dict[str, list[int]] = {}
    for i, (model, configuration) in enumerate(zip(models, configurations, strict=True)):
        if not model.group and configuration and model.seed is not None:
            seeds.setdefault(configuration, []).append(i)
    taken = {BICUBIC, *(model.name for model in models)}
    for members in seeds.values():
        if len(members) > 1 and len({models[i].seed for i in members}) == len(members):
            name = _common([models[i].name for i in members])
            if name in taken:
                name = f"{name} (seeds)"
            taken.add(name)
            for i in members:
                models[i] = replace(models[i], group=name)
    return [replace(model, group=model.group or model.name) for model in models]


def _common(names: Sequence[str]) -> str:
    """What names of seeds have in common: ``net`` of ``net_s0`` and ``net_s1``."""
    stems = {_SEED_SUFFIX.sub("", name) for name in names}
    if len(stems) == 1 and (stem := stems.pop()):
        return stem
    shared = names[0]
    for name in names[1:]:
        while not name.startswith(shared):
            shared = shared[:-1]
    return shared.rstrip("_-. ") or names[0]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
