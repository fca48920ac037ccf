"""What a benchmark is going to do, checked before anything runs."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch

from ...inference.device import choose_device
from ..results import RecipeInfo
from ..training_families import families_of_training
from ..validate import Precision
from .kinds import describe_recipes
from .models import Contestant, ModelFile, baseline, read_models
from .recipes import expand, families_of, presumed
from .scoring import Scoring, make_scoring
from .sets import Sources

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Settings:
    """How a benchmark is run; none of it changes a score but ``crop_border`` and ``precision``.

    Attributes:
        crop_border: pixels of each side that full-reference metrics leave out; None: the scale.
        device: "auto", "cpu", "cuda", "cuda:1", "mps".
        precision: of the networks.
        workers: threads that read images; None: by the machine.
        cache: folder of degraded test sets; None: the user's cache folder.
        fresh: score everything again.
        save_images: keep what the networks made.
        trained_on: families that networks are taken to be trained on whose files don't say; None:
            Real-ESRGAN's.
        groups: name of a group to a pattern of models' names.
        command: what a person typed, for the record.
    """

    crop_border: int | None = None
    device: str = "auto"
    precision: Precision = "fp32"
    workers: int | None = None
    cache: Path | None = None
    fresh: bool = False
    save_images: bool = False
    trained_on: tuple[str, ...] | None = None
    groups: Mapping[str, str] = field(default_factory=dict)
    command: str = ""


@dataclass(frozen=True)
class Plan:
    """A benchmark that can be run.

    Attributes:
        sources: the folders.
        scale: of the networks.
        contestants: the networks, bicubic interpolation first.
        scoring: the metrics.
        recipes: names of the test recipes.
        described: these, and what else there is, with their kinds.
        device: where it runs.
        workers: threads that read images ahead.
        batch_size: images of one size that go through a network together.
        presumed: what networks are taken to be trained on whose files don't say, if there are any.
        settings: the rest.
    """

    sources: Sources
    scale: int
    contestants: list[Contestant]
    scoring: Scoring
    recipes: list[str]
    described: list[RecipeInfo]
    device: torch.device
    workers: int
    batch_size: int
    presumed: tuple[str, ...]
    settings: Settings


def make_plan(
    models: Sequence[ModelFile],
    sources: Sources,
    recipes: Sequence[str],
    metrics: Sequence[str] | None,
    settings: Settings,
    tell: Tell,
) -> Plan:
    """See to it that everything named is there and fits; see ``run_benchmark``.

    Raises:
        AdasrError: it is not so.
    """
    sources.check()
    wanted = expand(recipes)
    device = choose_device(settings.device)
    scale, networks = read_models(models, settings.groups, families_of_training, tell)
    border = scale if settings.crop_border is None else settings.crop_border
    has_pairs, has_real = bool(sources.data or sources.pairs), bool(sources.real)
    scoring = make_scoring(metrics, border, has_pairs, has_real, tell)
    contestants = [baseline(scale), *networks]
    presumption = presumed(scale) if settings.trained_on is None else settings.trained_on
    described = describe_recipes(
        wanted if sources.data else (),
        families_of,
        [one.model for one in contestants],
        presumption,
        bool(sources.real or sources.pairs),
        tell,
    )
    # A CPU is no faster for a batch, which leaves its caches, and has no core to spare for reading.
    workers, batch_size = (0, 1) if device.type == "cpu" else (min(8, os.cpu_count() or 1), 16)
    return Plan(
        sources,
        scale,
        contestants,
        scoring,
        wanted,
        described,
        device,
        settings.workers or workers,
        batch_size,
        presumption if any(one.model.trained_on is None for one in networks) else (),
        settings,
    )
