"""The diagnostics by name: what each measures, draws and tells. A new one is one more entry."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.figure import Figure

from ..errors import AdasrError, OptionError, did_you_mean
from . import inconsistency, representations, saliency, similarity, zeroing
from .crops import CLEAN, Crops
from .features import choose_sites
from .subjects import Subject


@dataclass(frozen=True)
class Settings:
    """What a person can choose.

    Attributes:
        sites: names and patterns; None for those of each network.
        recipes: the degradations, in the order asked for; ``clean`` is always cut too.
        draws: masks for each image.
        seed: of everything random.
        few: crops for what takes many passes through a network.
    """

    sites: str | Sequence[str] | None = None
    recipes: Sequence[str] = ()
    draws: int = 16
    seed: int = 0
    few: int = 8


class NothingToMeasure(AdasrError):
    """A diagnostic says nothing about this network, which is no fault; the message says why."""


@dataclass(frozen=True)
class Diagnostic:
    """One of them.

    Attributes:
        title: of its section.
        reading: what to read from its figure.
        measure: the numbers of one network, a frozen dataclass.
        draw: all networks' numbers by name -> the figure.
        tell: the same -> lines of Markdown.
    """

    title: str
    reading: str
    measure: Callable[[Subject, Crops, Settings], Any]
    draw: Callable[[Mapping[str, Any]], Figure]
    tell: Callable[[Mapping[str, Any]], list[str]]


def _inconsistency(one: Subject, crops: Crops, settings: Settings) -> Any:
    found = one.regularization
    if found is None:
        raise NothingToMeasure(one.why_none)
    return inconsistency.measure_inconsistency(
        one.net,
        _mixed(crops, settings)[0],
        found.prototype,
        settings.sites or found.sites,
        found.weights,
        settings.draws,
        settings.seed,
    )


def _saliency(one: Subject, crops: Crops, settings: Settings) -> Any:
    sites = choose_sites(one.net, settings.sites)
    return saliency.measure_saliency(one.net, _mixed(crops, settings)[0], sites)


def _representations(one: Subject, crops: Crops, settings: Settings) -> Any:
    site = choose_sites(one.net, settings.sites)[-1]
    shown = {recipe: crops.lq[recipe] for recipe in settings.recipes}
    return representations.measure_representations(one.net, shown, site, settings.seed)


def _similarity(one: Subject, crops: Crops, settings: Settings) -> Any:
    degraded = {recipe: crops.lq[recipe] for recipe in settings.recipes if recipe != CLEAN}
    if not degraded:
        raise NothingToMeasure("it compares with degraded images: name a recipe beside 'clean'")
    sites = choose_sites(one.net, settings.sites)
    return similarity.measure_similarity(one.net, crops.lq[CLEAN], degraded, sites)


def _zeroing(one: Subject, crops: Crops, settings: Settings) -> Any:
    site = choose_sites(one.net, settings.sites)[-1]
    return zeroing.measure_zeroing(one.net, *_mixed(crops, settings), site)


DIAGNOSTICS: dict[str, Diagnostic] = {
    "inconsistency": Diagnostic(
        "Train-test inconsistency",
        inconsistency.READING,
        _inconsistency,
        inconsistency.draw_inconsistency,
        inconsistency.tell_inconsistency,
    ),
    "saliency": Diagnostic(
        "Channel saliency and imbalance",
        saliency.READING,
        _saliency,
        saliency.draw_saliency,
        saliency.tell_saliency,
    ),
    "representations": Diagnostic(
        "Deep degradation representations",
        representations.READING,
        _representations,
        representations.draw_representations,
        representations.tell_representations,
    ),
    "similarity": Diagnostic(
        "Activation similarity of clean and degraded inputs",
        similarity.READING,
        _similarity,
        similarity.draw_similarity,
        similarity.tell_similarity,
    ),
    "zeroing": Diagnostic(
        "Zeroing channels",
        zeroing.READING,
        _zeroing,
        zeroing.draw_zeroing,
        zeroing.tell_zeroing,
    ),
}


def find_diagnostics(names: Sequence[str] | None) -> dict[str, Diagnostic]:
    """Those called ``names``, in the order above; all without names.

    Raises:
        OptionError: an unknown name.
    """
    for name in names or ():
        if name not in DIAGNOSTICS:
            hint = did_you_mean(name, DIAGNOSTICS)
            raise OptionError(f"unknown diagnostic '{name}'.", ("--only",), hint)
    return {key: one for key, one in DIAGNOSTICS.items() if not names or key in names}


def _mixed(crops: Crops, settings: Settings) -> tuple[Any, Any]:
    """LQ and GT of the first crops, the recipes taking turns: each counts the same."""
    import torch

    few = crops.first(settings.few)
    recipes = [settings.recipes[i % len(settings.recipes)] for i in range(len(few))]
    return torch.stack([few.lq[recipe][i] for i, recipe in enumerate(recipes)]), few.gt
