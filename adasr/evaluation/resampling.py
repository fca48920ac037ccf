"""How sure a mean of scores is: bootstrap intervals over images and over seeds.

Scores come as an array (images,), (images, recipes) or (seeds, images, recipes). A masked entry is
a score that was not taken, ``inf`` an image that was restored exactly, NaN an output that was not
finite.

* **The unit is the image.** The same image under several recipes gives scores that go together, so
  whole images are drawn with replacement, each with all its recipes (cluster bootstrap).
* **Several seeds** of one configuration are drawn too, independently of the images. From S seeds
  S - 1 are drawn, which makes the variance of their mean unbiased (Rao and Wu, JASA 1988); S draws
  would halve it for two seeds.
* **Few images** make percentile intervals too narrow; they are widened as a t interval widens a
  normal one (Hesterberg, The American Statistician 2015).
* **A mean** is the mean over recipes of the mean over images. ``inf`` has no finite mean: such
  scores are left out of it and counted. One NaN makes the mean NaN.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np

CONFIDENCE = 0.95
DRAWS = 10_000

Scores = np.ndarray | Sequence[float]
Cube = np.ma.MaskedArray
"""(seeds, images, recipes)."""


@dataclass(frozen=True)
class Interval:
    """A mean and how sure it is.

    Attributes:
        mean: of the finite scores; NaN where there is none or one of them is NaN.
        low: lower end; NaN with fewer than two images (or seeds, of an interval over seeds).
        high: upper end.
        n: images (or seeds) that the interval is about.
        infinite: scores that are not in the mean, since they are infinite.
        undefined: scores that are NaN.
    """

    mean: float
    low: float = math.nan
    high: float = math.nan
    n: int = 0
    infinite: int = 0
    undefined: int = 0

    @property
    def known(self) -> bool:
        """Whether it has ends."""
        return math.isfinite(self.low) and math.isfinite(self.high)

    @property
    def excludes_zero(self) -> bool:
        """Whether all of it lies on one side of zero."""
        return self.known and (self.low > 0 or self.high < 0)


def bootstrap(
    values: Scores, confidence: float = CONFIDENCE, draws: int = DRAWS, seed: int = 0
) -> Interval:
    """The mean of scores and its bootstrap interval over images (and seeds).

    Args:
        values: (images,), (images, recipes) or (seeds, images, recipes).
        confidence: of the interval.
        draws: number of resamples.
        seed: of the resampling; the same input gives the same interval.
    """
    cube = as_cube(values)
    return contrast(cube, range(cube.shape[2]), (), confidence, draws, seed)


def contrast(
    values: Scores,
    plus: Sequence[int],
    minus: Sequence[int] = (),
    confidence: float = CONFIDENCE,
    draws: int = DRAWS,
    seed: int = 0,
) -> Interval:
    """The mean over some recipes, less that over others: an average, or a gap between two.

    Args:
        values: (images,), (images, recipes) or (seeds, images, recipes).
        plus: indices of the recipes to average; those without any score are passed over.
        minus: indices of the recipes whose average is taken off, if any.
        confidence: of the interval.
        draws: number of resamples.
        seed: of the resampling.
    """
    return contrasts(values, [(plus, minus)], confidence, draws, seed)[0]


def contrasts(
    values: Scores,
    wanted: Sequence[tuple[Sequence[int], Sequence[int]]],
    confidence: float = CONFIDENCE,
    draws: int = DRAWS,
    seed: int = 0,
) -> list[Interval]:
    """Several ``contrast``s of the same scores, drawn once for all of them."""
    scores = as_cube(values)
    cube, _, _ = finite_part(scores)
    present = ~np.ma.getmaskarray(cube)
    means: dict[bytes, np.ndarray] = {}  # by the images that are drawn from

    def drawn(images: Any) -> np.ndarray:
        if images.tobytes() not in means:
            n = int(images.sum())
            weights = draw_seeds(len(cube), draws, seed + 1), draw(n, draws, seed)
            means[images.tobytes()] = recipe_means(cube[:, images], *weights)
        return means[images.tobytes()]

    found = []
    for plus, minus in wanted:
        used = sorted({*plus, *minus})
        _, infinite, undefined = finite_part(scores[:, :, used])
        weights = _weights(present.any((0, 1)), plus, minus)
        if weights is None:
            found.append(Interval(math.nan, infinite=infinite, undefined=undefined))
            continue
        held = np.flatnonzero(weights)
        images = present[:, :, held].any((0, 2))
        n = int(images.sum())
        mean = float(recipe_means(cube[:, :, held])[0] @ weights[held])
        low = high = math.nan
        if n > 1 and not math.isnan(mean):
            low, high = ends(drawn(images)[:, held] @ weights[held], n, confidence)
        found.append(Interval(mean, low, high, n, infinite, undefined))
    return found


def _weights(some: Any, plus: Sequence[int], minus: Sequence[int]) -> np.ndarray | None:
    """Of each recipe in the contrast; None where a side has no score at all."""
    weights = np.zeros(len(some))
    for side, sign in ((plus, 1.0), (minus, -1.0)):
        held = [i for i in side if some[i]]
        if not held and (side or sign > 0):
            return None
        for i in held:
            weights[i] += sign / len(held)
    return weights


def over_seeds(values: Scores, confidence: float = CONFIDENCE) -> Interval:
    """Student's t interval of the mean over seeds; without ends for a single seed.

    Args:
        values: a mean score for each seed.
        confidence: of the interval.
    """
    means = np.asarray(values, dtype=float)
    n = len(means)
    mean = float(means.mean()) if n else math.nan
    if n < 2 or not np.isfinite(means).all():
        return Interval(mean, math.nan, math.nan, n)
    half = t_quantile(n - 1, confidence) * float(means.std(ddof=1)) / math.sqrt(n)
    return Interval(mean, mean - half, mean + half, n)


def seed_means(values: Scores) -> list[float]:
    """The mean of each seed: over recipes, of the means over images."""
    cube, _, _ = finite_part(as_cube(values))
    some = (~np.ma.getmaskarray(cube)).any((0, 1))
    if not some.any():
        return [math.nan] * len(cube)
    return [float(recipe_means(one[None, :, some]).mean()) for one in cube]


def as_cube(values: Scores) -> Cube:
    """(images,) or (images, recipes) as (seeds, images, recipes).

    Raises:
        ValueError: it has other axes.
    """
    array = np.ma.masked_array(values, dtype=float)
    if array.ndim == 1:
        array = array[:, None]
    if array.ndim == 2:
        array = array[None]
    if array.ndim != 3:
        raise ValueError(f"expected 1 to 3 axes, got shape {array.shape}")
    return array


def finite_part(cube: Cube) -> tuple[Cube, int, int]:
    """Infinite scores masked, and the numbers of infinite and of NaN scores.

    What lies below the mask is 0, so that sums need not look at it.
    """
    data, mask = np.ma.getdata(cube), np.ma.getmaskarray(cube)
    infinite = np.isinf(data) & ~mask
    undefined = np.isnan(data) & ~mask
    gone = mask | infinite
    finite = np.ma.masked_array(np.where(gone, 0.0, data), gone)
    return finite, int(infinite.sum()), int(undefined.sum())


def recipe_means(
    cube: Cube, seeds: np.ndarray | None = None, images: np.ndarray | None = None
) -> np.ndarray:
    """(draws, recipes): the mean of each recipe under each draw; NaN where it drew none of it.

    Args:
        cube: (seeds, images, recipes) of ``finite_part``.
        seeds: (draws, seeds), how often each was drawn; None: once.
        images: (draws, images), how often each was drawn; None: once.
    """
    seeds = np.ones((1, cube.shape[0])) if seeds is None else seeds
    images = np.ones((1, cube.shape[1])) if images is None else images
    data, mask = np.ma.getdata(cube), np.ma.getmaskarray(cube)
    if not mask.any():  # usual, and cheaper
        whole = sum(seeds[:, s, None] * (images @ data[s]) for s in range(len(cube)))
        return whole / (seeds.sum(1) * images.sum(1))[:, None]
    present = (~mask).astype(float)
    sums = np.zeros((len(images), cube.shape[2]))
    counts = np.zeros_like(sums)
    for s in range(len(cube)):
        sums += seeds[:, s, None] * (images @ data[s])
        counts += seeds[:, s, None] * (images @ present[s])
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(counts > 0, sums / counts, np.nan)


def ends(totals: np.ndarray, images: int, confidence: float) -> tuple[float, float]:
    """The interval's ends from the resampled totals; widened as few images need it (Hesterberg)."""
    tail = NormalDist().cdf(-math.sqrt(images / (images - 1)) * t_quantile(images - 1, confidence))
    low, high = np.quantile(totals[~np.isnan(totals)], [tail, 1 - tail])
    return float(low), float(high)


def draw(n: int, draws: int, seed: int) -> np.ndarray:
    """(draws, n): how often each of ``n`` images is among ``n`` drawn with replacement."""
    return _multinomial(n, n, draws, seed)


def draw_seeds(n: int, draws: int, seed: int) -> np.ndarray:
    """(draws, n): the same for n - 1 of ``n`` seeds."""
    return _multinomial(n, max(1, n - 1), draws, seed)


@functools.lru_cache(maxsize=8)
def _multinomial(n: int, count: int, draws: int, seed: int) -> np.ndarray:
    if n == 1:
        return np.ones((draws, 1))
    random = np.random.default_rng(seed)
    return random.multinomial(count, np.full(n, 1 / n), size=draws).astype(float)


def t_quantile(freedom: float, confidence: float) -> float:
    """How many standard errors a two-sided t interval reaches to each side."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, (1 + confidence) / 2))
