"""The images that a report shows: which, and what each network makes of them."""

from __future__ import annotations

import math
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from ...data.images import to_image
from ...errors import AdasrError
from ...weights.build import evaluation_mode
from ..report import Picture
from ..restoring import Precision, Restorer
from ..results import BICUBIC, Results
from .models import Contestant
from .sets import TestData

_LARGEST = 1024  # pixels of GT beyond which a picture is cut; the report shows less in any case


@dataclass(frozen=True)
class Candidate:
    """An image under a recipe, and what networks make of it.

    Attributes:
        dataset: place of its set.
        item: place in the set.
        name: the image's name.
        recipe: how its LQ was made.
        gain: of the best network over bicubic interpolation, positive where better.
        spread: between the best and the worst network.
    """

    dataset: int
    item: int
    name: str
    recipe: str
    gain: float
    spread: float


_Wish = Callable[[Candidate], float]
# By turns: what networks do best, where they differ most, and where they fail.
_WISHES: tuple[_Wish, ...] = (lambda c: c.gain, lambda c: c.spread, lambda c: -c.gain)


def choose(candidates: Sequence[Candidate], count: int) -> list[Candidate]:
    """At most ``count`` images, spread over recipes, sets and images.

    Within a recipe they are by turns those of the largest gain over bicubic interpolation, of the
    largest difference between networks, and of the largest loss.
    """
    by_recipe: dict[str, list[Candidate]] = {}
    for candidate in candidates:
        by_recipe.setdefault(candidate.recipe, []).append(candidate)
    if not by_recipe or count < 1:
        return []
    recipes = list(by_recipe)
    first = {int(i) for i in np.linspace(0, len(recipes) - 1, min(count, len(recipes))).round()}
    order = [recipes[i] for i in sorted(first)]
    order += [name for name in recipes if name not in order]
    chosen: list[Candidate] = []
    images: Counter[tuple[int, str]] = Counter()
    sets: Counter[int] = Counter()
    while len(chosen) < min(count, len(candidates)):
        for recipe in order:
            left = by_recipe[recipe]
            if not left or len(chosen) >= count:
                continue
            wish = _WISHES[len(chosen) % len(_WISHES)]
            rarest = min((images[c.dataset, c.name], sets[c.dataset]) for c in left)
            rare = [c for c in left if (images[c.dataset, c.name], sets[c.dataset]) == rarest]
            best = max(rare, key=wish)
            left.remove(best)
            chosen.append(best)
            images[best.dataset, best.name] += 1
            sets[best.dataset] += 1
    place = {recipe: i for i, recipe in enumerate(recipes)}
    return sorted(chosen, key=lambda c: (c.dataset, place[c.recipe], c.item))


def candidates(results: Results, sets: Sequence[TestData]) -> list[Candidate]:
    """Every image that was scored, with what its set's first metric says of it."""
    found = []
    for number, data in enumerate(sets):
        evaluations = [e for e in results.evaluations if e.dataset == data.info.name and e.scores]
        if not evaluations:
            continue
        metric = evaluations[0].metrics[0]
        sign = 1 if evaluations[0].higher_is_better[metric] else -1
        values: dict[tuple[str, str], dict[str, float]] = {}
        for evaluation in evaluations:
            for score in evaluation.scores:
                held = sign * score.values.get(metric, math.nan)
                if math.isfinite(held):
                    values.setdefault((score.name, score.recipe), {})[evaluation.model] = held
        for item, place in enumerate(data.places):
            scores = dict(values.get(place, {}))
            base = scores.pop(BICUBIC, math.nan)
            if not scores:
                continue
            best, worst = max(scores.values()), min(scores.values())
            gain = best - base if math.isfinite(base) else 0.0
            found.append(Candidate(number, item, *place, gain, best - worst))
    return found


@dataclass
class _Begun:
    candidate: Candidate
    lq: Tensor
    gt: Tensor | None
    sr: dict[str, np.ndarray] = field(default_factory=dict)


def make_pictures(
    chosen: Sequence[Candidate],
    sets: Sequence[TestData],
    contestants: Sequence[Contestant],
    scale: int,
    device: torch.device,
    precision: Precision,
    stop: threading.Event,
) -> list[Picture]:
    """What every network makes of the chosen images; one that fails on an image is left out.

    None at all once ``stop`` is set.
    """
    begun: list[_Begun] = []
    for candidate in chosen:
        try:
            item = sets[candidate.dataset].items[candidate.item]
        except AdasrError:
            continue
        lq, gt = _cut(item["lq"], item.get("gt"), scale)
        begun.append(_Begun(candidate, lq, gt))
    for contestant in contestants if begun else ():
        if stop.is_set():
            return []
        network = contestant.load().to(device)
        restorer = Restorer(network, device, precision, "auto")
        with evaluation_mode(network):
            for one in begun:
                try:
                    sr, _ = restorer(one.lq[None])
                except (RuntimeError, ValueError, AdasrError):  # told when it was scored
                    continue
                one.sr[contestant.model.name] = to_image(sr[0])
    return [
        Picture(
            sets[one.candidate.dataset].info.name,
            one.candidate.name,
            one.candidate.recipe,
            to_image(one.lq),
            None if one.gt is None else to_image(one.gt),
            one.sr,
        )
        for one in begun
    ]


def _cut(lq: Tensor, gt: Tensor | None, scale: int) -> tuple[Tensor, Tensor | None]:
    """The middle of images that are too large for a page."""
    side = max(1, _LARGEST // scale)
    top, left = (max(0, (length - side) // 2) for length in lq.shape[-2:])
    lq = lq[:, top : top + side, left : left + side]
    if gt is None:
        return lq, None
    height, width = (length * scale for length in lq.shape[-2:])
    top, left = top * scale, left * scale
    return lq, gt[:, top : top + height, left : left + width]
