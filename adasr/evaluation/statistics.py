"""Headline figures of a benchmark: averages, gap to the unseen, worst recipe, who is better.

How means, intervals and comparisons are taken: ``resampling`` and ``paired``.

* **mean**: over recipes of the mean over the images of all datasets, each image alike. Images
  without ground truth (kind "real") are apart, unless a metric has nothing else.
* **seen**, **unseen**: the same over the recipes of that kind, so over the same recipes for every
  network. Recipes of kind "mixed" are in neither.
* **gap**: how much worse unseen recipes are than seen ones: seen - unseen where higher is better,
  unseen - seen where lower is. Positive as a rule, since unseen recipes may just be harder; the gap
  of the *gains* over bicubic interpolation takes most of that difficulty away.
* **gain**: over bicubic interpolation, image by image; positive is better for every metric.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from .aligned import ScoreTable, score_table
from .paired import Paired, compare, holm, sign_flip
from .resampling import (
    CONFIDENCE,
    DRAWS,
    Cube,
    Interval,
    bootstrap,
    contrasts,
    over_seeds,
    seed_means,
)
from .results import BICUBIC, Results

__all__ = [
    "CONFIDENCE",
    "DRAWS",
    "Figures",
    "Interval",
    "Paired",
    "ScoreTable",
    "Summary",
    "bootstrap",
    "compare",
    "compare_all",
    "holm",
    "over_seeds",
    "ranks",
    "score_table",
    "sign_flip",
    "summarize",
]

By = Literal["group", "model"]


@dataclass(frozen=True)
class Figures:
    """The headline figures of one model or group, as scores or as gains over bicubic.

    Attributes:
        mean: over all recipes.
        seen: over those that the training covers; None without any.
        unseen: over those that it lacks; None without any.
        gap: how much worse the unseen are; None unless there are both.
        worst_recipe: the recipe with the worst mean; None where no mean is known.
        worst: that mean.
        per_recipe: recipe to mean.
    """

    mean: Interval
    seen: Interval | None
    unseen: Interval | None
    gap: Interval | None
    worst_recipe: str | None
    worst: Interval | None
    per_recipe: dict[str, Interval]


@dataclass(frozen=True)
class Summary:
    """One model, or one group of models that differ by their seed, under one metric.

    Attributes:
        name: of the model or group.
        metric: label.
        higher_is_better: the metric's direction.
        models: the names of the models.
        seeds: theirs, None where unknown.
        seed_means: the mean score of each model, in the same order.
        over_seeds: Student's t interval of these; None with one model.
        scores: in the metric's units.
        gains: over bicubic interpolation; None without it, and for itself.
        missing: scores that another model has and this one lacks.
    """

    name: str
    metric: str
    higher_is_better: bool
    models: tuple[str, ...]
    seeds: tuple[int | None, ...]
    seed_means: tuple[float, ...]
    over_seeds: Interval | None
    scores: Figures
    gains: Figures | None
    missing: int = 0

    @property
    def mean(self) -> Interval:
        """Over all recipes."""
        return self.scores.mean

    @property
    def seen(self) -> Interval | None:
        """Over the recipes that the training covers."""
        return self.scores.seen

    @property
    def unseen(self) -> Interval | None:
        """Over the recipes that the training lacks."""
        return self.scores.unseen

    @property
    def gap(self) -> Interval | None:
        """How much worse the unseen recipes are."""
        return self.scores.gap

    @property
    def worst_recipe(self) -> str | None:
        """The recipe with the worst mean."""
        return self.scores.worst_recipe

    @property
    def worst(self) -> Interval | None:
        """The mean of the worst recipe."""
        return self.scores.worst

    @property
    def per_recipe(self) -> dict[str, Interval]:
        """The mean of each recipe."""
        return self.scores.per_recipe


def members(results: Results, by: By = "group") -> dict[str, list[str]]:
    """What is compared, and the models it consists of: groups, or each model for itself."""
    found: dict[str, list[str]] = {}
    for model in results.models:
        found.setdefault(model.group if by == "group" else model.name, []).append(model.name)
    return found


def summarize(
    results: Results,
    metric: str,
    by: By = "group",
    dataset: str | None = None,
    confidence: float = CONFIDENCE,
    draws: int = DRAWS,
) -> list[Summary]:
    """The headline figures of every group (or model) that has scores of ``metric``.

    Raises:
        KeyError: no evaluation has this metric (on this dataset).
    """
    table = score_table(results, metric, dataset)
    seeds = {model.name: model.seed for model in results.models}
    every = np.any([~np.ma.getmaskarray(one) for one in table.values.values()], axis=0)
    found = []
    for name, models in members(results, by).items():
        models = [model for model in models if (~np.ma.getmaskarray(table.values[model])).any()]
        if not models:
            continue
        cube = table.cube(models)
        means = seed_means(cube[:, :, table.averaged])
        gains = None if BICUBIC in models else table.gains(models)
        found.append(
            Summary(
                name,
                metric,
                table.higher_is_better,
                tuple(models),
                tuple(seeds[model] for model in models),
                tuple(means),
                over_seeds(means, confidence) if len(models) > 1 else None,
                _figures(table, cube, table.higher_is_better, confidence, draws),
                None if gains is None else _figures(table, gains, True, confidence, draws),
                int((np.ma.getmaskarray(cube) & every).sum()),
            )
        )
    return found


def compare_all(
    results: Results,
    metric: str,
    by: By = "group",
    dataset: str | None = None,
    confidence: float = CONFIDENCE,
    draws: int = DRAWS,
) -> dict[tuple[str, str], Paired]:
    """Every two groups (or models), over the recipes of the mean; p adjusted by Holm's method.

    Raises:
        KeyError: no evaluation has this metric (on this dataset).
    """
    table = score_table(results, metric, dataset)
    cubes = {
        name: table.cube(models)[:, :, table.averaged]
        for name, models in members(results, by).items()
    }
    higher = table.higher_is_better
    found = {
        (a, b): compare(
            cubes[a], cubes[b], higher_is_better=higher, confidence=confidence, draws=draws
        )
        for a, b in itertools.combinations(cubes, 2)
    }
    adjusted = holm([one.p for one in found.values()])
    return {pair: replace(one, p=p) for (pair, one), p in zip(found.items(), adjusted, strict=True)}


def ranks(
    summaries: Sequence[Summary], comparisons: Mapping[tuple[str, str], Paired]
) -> list[list[str]]:
    """Best first; those of one rank cannot be told apart from the first of it.

    A group whose mean is NaN comes last, alone.
    """

    def quality(one: Summary) -> float:
        mean = one.mean.mean if one.higher_is_better else -one.mean.mean
        return -np.inf if np.isnan(mean) else mean

    tiers: list[list[str]] = []
    for one in sorted(summaries, key=quality, reverse=True):
        first = tiers[-1][0] if tiers else ""
        pair = comparisons.get((first, one.name)) or comparisons.get((one.name, first))
        told_apart = pair is None or pair.distinguishable or np.isnan(one.mean.mean)
        if told_apart:
            tiers.append([one.name])
        else:
            tiers[-1].append(one.name)
    return tiers


def _figures(table: ScoreTable, cube: Cube, higher: bool, confidence: float, draws: int) -> Figures:
    every, seen, unseen = table.averaged, table.of_kind("seen"), table.of_kind("unseen")
    gap = (seen, unseen) if higher else (unseen, seen)
    wanted = [(every, ()), (seen, ()), (unseen, ()), gap]
    wanted += [([i], ()) for i in range(len(table.recipes))]
    intervals = contrasts(cube, wanted, confidence, draws)
    per_recipe = dict(zip(table.recipes, intervals[4:], strict=True))
    known = {
        name: one.mean
        for i, (name, one) in enumerate(per_recipe.items())
        if i in every and not np.isnan(one.mean)
    }
    worst = (min if higher else max)(known, key=known.__getitem__) if known else None
    return Figures(
        intervals[0],
        intervals[1] if seen else None,
        intervals[2] if unseen else None,
        intervals[3] if seen and unseen else None,
        worst,
        None if worst is None else per_recipe[worst],
        per_recipe,
    )
