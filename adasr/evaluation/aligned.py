"""The scores of all models of a benchmark as arrays: the same image in the same row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .resampling import Cube
from .results import BICUBIC, Results


@dataclass(frozen=True)
class ScoreTable:
    """All scores of one metric, aligned.

    Attributes:
        metric: label.
        higher_is_better: its direction.
        images: dataset and name of each.
        recipes: names.
        kinds: "seen", "unseen", "mixed" or "real", of each recipe.
        values: model to its (images, recipes) scores, masked where it has none.
    """

    metric: str
    higher_is_better: bool
    images: list[tuple[str, str]]
    recipes: list[str]
    kinds: list[str]
    values: Mapping[str, np.ma.MaskedArray]

    def cube(self, models: Sequence[str]) -> Cube:
        """(models, images, recipes)."""
        return np.ma.stack([self.values[model] for model in models])

    def gains(self, models: Sequence[str]) -> Cube | None:
        """The same less bicubic interpolation's, positive where better; None without that."""
        if BICUBIC not in self.values:
            return None
        cube, base = self.cube(models), self.values[BICUBIC][None]
        gone = np.ma.getmaskarray(cube) | np.ma.getmaskarray(base)
        # inf - inf would be NaN, which stands for a broken network.
        infinite = np.isinf(np.ma.getdata(cube)) | np.isinf(np.ma.getdata(base))
        with np.errstate(invalid="ignore"):
            gain = np.ma.getdata(cube) - np.ma.getdata(base)
        gain = np.where(infinite, np.inf, gain if self.higher_is_better else -gain)
        return np.ma.masked_array(np.where(gone, 0.0, gain), gone)

    def of_kind(self, *kinds: str) -> list[int]:
        """The indices of the recipes of these kinds."""
        return [i for i, kind in enumerate(self.kinds) if kind in kinds]

    @property
    def averaged(self) -> list[int]:
        """The indices of the recipes in the mean: all but real images, or these alone."""
        return self.of_kind("seen", "unseen", "mixed") or list(range(len(self.recipes)))


def score_table(results: Results, metric: str, dataset: str | None = None) -> ScoreTable:
    """The scores of ``metric`` on one dataset or (None) on all.

    Raises:
        KeyError: no evaluation has this metric (on this dataset).
    """
    chosen = [
        e for e in results.evaluations if metric in e.protocols and dataset in (None, e.dataset)
    ]
    if not chosen:
        raise KeyError(metric)
    order = {name: i for i, name in enumerate(d.name for d in results.datasets)}
    chosen.sort(key=lambda e: order.get(e.dataset, len(order)))
    scored = [(e, s) for e in chosen for s in e.scores if metric in s.values]
    images = {
        place: i for i, place in enumerate(dict.fromkeys((e.dataset, s.name) for e, s in scored))
    }
    present = {s.recipe for _, s in scored}
    infos = {info.name: info for info in results.recipes}
    recipes = [*(name for name in infos if name in present), *sorted(present - set(infos))]
    columns = {name: i for i, name in enumerate(recipes)}
    shape = len(images), len(recipes)
    data = {model.name: np.zeros(shape) for model in results.models}
    lacking = {model.name: np.ones(shape, dtype=bool) for model in results.models}
    for e, score in scored:
        if e.model in data:
            place = images[e.dataset, score.name], columns[score.recipe]
            data[e.model][place] = score.values[metric]
            lacking[e.model][place] = False
    return ScoreTable(
        metric,
        chosen[0].higher_is_better[metric],
        list(images),
        recipes,
        [infos[name].kind if name in infos else "mixed" for name in recipes],
        {name: np.ma.masked_array(data[name], lacking[name]) for name in data},
    )
