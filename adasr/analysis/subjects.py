"""The networks of an analysis: what their files hold and how they were regularized."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..errors import OptionError, WeightsError
from ..evaluation.benchmark import ModelFile
from ..options import read_regularizer
from ..options.yaml_text import parse
from ..registry import REGULARIZER_REGISTRY, SCHEDULE_REGISTRY
from ..regularizers.adaptive_dropout import AdaptiveDropout
from ..regularizers.base import Regularizer
from ..regularizers.sites import attach, detach
from ..weights.build import input_channels, network_scale
from ..weights.load import identify
from ..weights.names import name_of
from .features import example_input

DROPOUT_ALONE = "dropout alone (w = 0)"
_PLAIN_STEMS = re.compile(r"net_g(_\w+)?|model|weights|params(_ema)?|best|last|latest")


@dataclass(frozen=True)
class Regularization:
    """How a network is regularized in training.

    Attributes:
        prototype: the regularizer, as for ``attach``.
        sites: where; None for its own default.
        weights: conditions to compare, see ``measure_inconsistency``; dropout alone first.
        note: what a reader must know of them.
    """

    prototype: Regularizer
    sites: str | Sequence[str] | None
    weights: Mapping[str, float | Sequence[float] | None]
    note: str = ""


@dataclass(frozen=True)
class Subject:
    """One network.

    Attributes:
        name: in figures; no two share it.
        net: on its device, in evaluation mode.
        path: its weights.
        sha256: of the file.
        network: name, scale and width.
        scale: of the output.
        channels: of the input, 1 or 3.
        iteration: at which it was saved, where known.
        regularization: of its training; None for none.
        why_none: why there is none.
    """

    name: str
    net: nn.Module
    path: Path
    sha256: str
    network: str
    scale: int
    channels: int
    iteration: int | None
    regularization: Regularization | None
    why_none: str = ""


def load_subjects(
    files: Sequence[ModelFile],
    device: torch.device,
    regularizer: Mapping[str, Any] | None = None,
    tell: Callable[[str], None] = print,
) -> list[Subject]:
    """The networks of weights files, which must be of one scale.

    Args:
        files: what to load, and names to call it by; a file named twice is taken once.
        device: where the networks go.
        regularizer: ``{type, sites, ...}`` to study instead of those of the trainings.
        tell: takes lines for a person.

    Raises:
        WeightsError: a file cannot be used.
        OptionError: no file, networks of several scales, or ``regularizer`` is wrong.
    """
    unique: dict[Path, str] = {}
    for file in files:
        path = file.path.expanduser().resolve()
        if path in unique:
            tell(f"{file.path} is named twice and taken once.")
        unique.setdefault(path, file.name)
    if not unique:
        raise OptionError("names no weights.", ("--model",), "Give one or more weights files.")
    subjects = [_load(path, name, device, regularizer) for path, name in unique.items()]
    first = subjects[0]
    for other in subjects[1:]:
        if other.scale != first.scale:
            raise OptionError(
                f"{first.path} enlarges x{first.scale}, but {other.path} x{other.scale}.",
                ("--model",),
                "Analyze networks of one scale at a time.",
            )
    names = _distinct(subjects)
    return [replace(one, name=name) for one, name in zip(subjects, names, strict=True)]


def read_regularization(
    section: Mapping[str, Any],
    net: nn.Module,
    iteration: int | None = None,
    total_iter: int | None = None,
) -> Regularization | None:
    """The regularizer of a ``regularizer:`` section, and the conditions to compare it under.

    Args:
        section: ``{type, sites, schedule, ...}``.
        net: the network that it acts on.
        iteration: the one whose weights of the sites count too, where there is a schedule.
        total_iter: of the training.

    Returns:
        None for one that drops nothing.

    Raises:
        OptionError: a wrong option, or one that does not fit the network.
    """
    options = read_regularizer(section)
    prototype = REGULARIZER_REGISTRY.build(options.options)
    if prototype.default_sites == "none" or getattr(prototype, "p", 1.0) == 0:
        return None
    sites = options.sites
    if not isinstance(prototype, AdaptiveDropout):
        return Regularization(prototype, sites, {DROPOUT_ALONE: None})
    if prototype.gate_type is not None:
        plain = AdaptiveDropout(prototype.p, 0.0, channel_axis=prototype.channel_axis)
        note = "The gate that predicts w is not part of the weights, so w > 0 is left out."
        return Regularization(plain, sites, {DROPOUT_ALONE: 0.0}, note)
    weights: dict[str, float | Sequence[float] | None] = {DROPOUT_ALONE: 0.0}
    if prototype.weight > 0:
        weights[f"blend (w = {prototype.weight:g})"] = prototype.weight
    note: str = ""
    note = ""
    if options.schedule is not None and iteration is not None:
        reached = _annealed(prototype, sites, options.schedule.options, net, iteration, total_iter)
        done = sum(value == 1 for value in reached)
        told = f"at iteration {iteration:,}: {done} of {len(reached)} sites annealed"
        if done == len(reached):
            note = (
                f"The schedule ended before iteration {iteration:,}: w is 1 at every site, and "
                "training and testing agree since then."
            )
        else:
            weights[told] = reached
    return Regularization(prototype, sites, weights, note)


def _annealed(
    prototype: Regularizer,
    sites: str | Sequence[str] | None,
    schedule: Mapping[str, Any],
    net: nn.Module,
    iteration: int,
    total_iter: int | None,
) -> list[float]:
    placed = attach(net, prototype, sites, example_input(net))
    try:
        built = SCHEDULE_REGISTRY.build(schedule, sites=placed, total_iter=total_iter)
        return list(built.weights(iteration))
    finally:
        detach(net)


def _load(
    path: Path, name: str, device: torch.device, regularizer: Mapping[str, Any] | None
) -> Subject:
    if path.suffix.lower() == ".onnx":
        raise WeightsError(path, "is an ONNX file", "Give the weights that it was exported from.")
    loaded = identify(path)
    net = loaded.net.to(device)
    channels = input_channels(net)
    if channels not in (1, 3):
        hint = "Give a network of RGB or gray images."
        raise WeightsError(path, f"takes images of {channels} channels", hint)
    options = _options(loaded.metadata)
    iteration = loaded.metadata.get("iteration", "")
    saved = int(iteration) if iteration.isdecimal() else None
    found, why = None, ""
    if regularizer is not None:
        try:
            found = read_regularization(regularizer, net)
        except OptionError as error:
            raise error.under("--regularizer") from None
        why = "" if found else "the regularizer named drops nothing"
    elif not options:
        why = "the file does not tell how it was trained; name a regularizer with --regularizer"
    elif not options.get("regularizer"):
        why = "it was trained without a regularizer; name one to try with --regularizer"
    else:
        total = (options.get("train") or {}).get("total_iter")
        try:
            found = read_regularization(options["regularizer"], net, saved, total)
            why = "" if found else "its regularizer drops nothing"
        except (OptionError, TypeError, AttributeError) as error:  # of another version or package
            why = f"the regularizer in its metadata cannot be used here ({error})"
    return Subject(
        name=name or _own_name(path, loaded.metadata),
        net=net.eval(),
        path=path,
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        network=name_of(net),
        scale=network_scale(net),
        channels=channels,
        iteration=saved,
        regularization=found,
        why_none=why,
    )


def _options(metadata: Mapping[str, str]) -> dict[str, Any]:
    """The training's options; empty where there are none that can be read."""
    try:
        options = parse(metadata.get("options", ""))[0]
    except OptionError:
        return {}
    return options if isinstance(options, dict) else {}


def _own_name(path: Path, metadata: Mapping[str, str]) -> str:
    """What the training was called, else the file, else the folder of a training."""
    if metadata.get("name"):
        return metadata["name"]
    if not _PLAIN_STEMS.fullmatch(path.stem):
        return path.stem
    folders = [part for part in path.parent.parts if part not in ("models", "weights")]
    return folders[-1] if len(folders) > 1 else path.stem


def _distinct(subjects: Sequence[Subject]) -> list[str]:
    """Names that no two share, the shortest addition that tells them apart."""
    names = [one.name for one in subjects]
    additions: list[Callable[[Subject], str]] = [
        lambda one: "" if one.iteration is None else str(one.iteration),
        lambda one: one.path.stem,
        lambda one: "/".join(one.path.parts[-3:]),
    ]
    for addition in additions:
        taken = list(names)
        names = [
            f"{name} {addition(one)}".strip() if taken.count(name) > 1 else name
            for name, one in zip(names, subjects, strict=True)
        ]
    return [f"{n} #{i + 1}" if names.count(n) > 1 else n for i, n in enumerate(names)]
