"""Is one network better than another? Differences image by image, never means against means."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .resampling import (
    CONFIDENCE,
    DRAWS,
    Cube,
    Interval,
    Scores,
    as_cube,
    draw,
    draw_seeds,
    ends,
    finite_part,
    recipe_means,
    seed_means,
    t_quantile,
)

_EXACT = 13  # images up to which all 2^n signs are tried
_TIE = 1e-9


@dataclass(frozen=True)
class Paired:
    """Two networks, or two groups of them, on the same images. Positive: the first is better.

    Attributes:
        difference: mean of the first minus the second (turned where lower is better), with its
            bootstrap interval over images, and over seeds where there are several.
        wins: images on which the first is better, by its mean over recipes and seeds.
        ties: images on which they are equal.
        losses: images on which the second is better.
        p: of the sign-flip test on the images' differences, two-sided; it is about these networks,
            not about other seeds. NaN where it cannot be taken.
        over_seeds: Welch's t interval of the difference of the seeds' means; None unless both have
            several seeds.
        left_out: scores that only one of the two has.
    """

    difference: Interval
    wins: int
    ties: int
    losses: int
    p: float
    over_seeds: Interval | None = None
    left_out: int = 0

    @property
    def distinguishable(self) -> bool:
        """Whether zero lies outside of the interval over images and of that over seeds."""
        seeds = self.over_seeds is None or self.over_seeds.excludes_zero
        return self.difference.excludes_zero and seeds


def compare(
    first: Scores,
    second: Scores,
    *,
    higher_is_better: bool = True,
    confidence: float = CONFIDENCE,
    draws: int = DRAWS,
    seed: int = 0,
) -> Paired:
    """Two networks on the same images.

    Only images and recipes that every network of both sides has a score of are compared. A pair
    with an infinite score counts as win, tie or loss, but has no finite difference.

    Args:
        first: (images,), (images, recipes) or (seeds, images, recipes).
        second: the same images and recipes in the same order; its number of seeds may differ.
        higher_is_better: the metric's direction.
        confidence: of the intervals.
        draws: number of resamples.
        seed: of the resampling.

    Raises:
        ValueError: the two are not about the same number of images and recipes.
    """
    a, b = as_cube(first), as_cube(second)
    if a.shape[1:] != b.shape[1:]:
        raise ValueError(f"{a.shape[1:]} and {b.shape[1:]} images and recipes are no pairs")
    a, b, left_out = _common(a, b)
    if not higher_is_better:
        a, b = -a, -b
    images = _image_differences(a, b)
    wins, losses = int((images > _TIE).sum()), int((images < -_TIE).sum())
    a, b, infinite = _finite_pairs(a, b)
    difference = _difference(a, b, infinite, confidence, draws, seed)
    undefined = bool(difference.undefined)
    return Paired(
        difference,
        wins,
        len(images) - wins - losses,
        losses,
        math.nan if undefined else sign_flip(_image_differences(a, b), draws, seed),
        _welch(seed_means(a), seed_means(b), confidence),
        left_out,
    )


def sign_flip(differences: Scores, draws: int = DRAWS, seed: int = 0) -> float:
    """Two-sided p of the mean of paired differences under flips of their signs.

    Exact up to 13 differences; above, ``draws`` random flips and the one that was observed. With n
    differences p cannot be below 2 / 2^n: five images cannot show anything at the 5 % level.
    """
    values = np.asarray(differences, dtype=float)
    if not len(values):
        return math.nan
    observed = abs(values.mean()) * (1 - 1e-12)
    signs = _signs(len(values), draws, seed)
    extreme = int((np.abs(signs @ values) / len(values) >= observed).sum())
    if len(values) <= _EXACT:
        return extreme / len(signs)
    return (extreme + 1) / (len(signs) + 1)


def holm(ps: Sequence[float]) -> list[float]:
    """Holm's adjustment of p values for their number; NaN stays NaN and counts for nothing."""
    order = sorted((p, i) for i, p in enumerate(ps) if not math.isnan(p))
    adjusted, floor = list(ps), 0.0
    for rank, (p, i) in enumerate(order):
        floor = max(floor, min(1.0, p * (len(order) - rank)))
        adjusted[i] = floor
    return adjusted


def _common(a: Cube, b: Cube) -> tuple[Cube, Cube, int]:
    """Both, without the image-recipe pairs that a network of either side lacks."""
    masks = [np.ma.getmaskarray(one) for one in (a, b)]
    lacking = masks[0].any(0) | masks[1].any(0)
    left_out = sum(int((~mask & lacking).sum()) for mask in masks)
    return _masked(a, lacking), _masked(b, lacking), left_out


def _finite_pairs(a: Cube, b: Cube) -> tuple[Cube, Cube, int]:
    """Both, without the pairs of which either is infinite, and how many these are."""
    mask = np.ma.getmaskarray(a)[0]
    infinite = np.isinf(np.ma.getdata(a)).any(0) | np.isinf(np.ma.getdata(b)).any(0)
    infinite &= ~mask
    return _masked(a, mask | infinite), _masked(b, mask | infinite), int(infinite.sum())


def _masked(cube: Cube, gone: Any) -> Cube:
    return np.ma.masked_array(np.ma.getdata(cube), np.broadcast_to(gone, cube.shape).copy())


def _difference(
    a: Cube, b: Cube, infinite: int, confidence: float, draws: int, seed: int
) -> Interval:
    """The interval of the mean of ``a`` minus that of ``b``: one draw of images for both."""
    (a, _, bad), (b, _, worse) = finite_part(a), finite_part(b)
    present = ~np.ma.getmaskarray(a)[0]
    images = int(present.any(1).sum())
    counts = images, infinite, bad + worse
    if not images:
        return Interval(math.nan, math.nan, math.nan, *counts)
    a, b = (one[:, present.any(1)][:, :, present.any(0)] for one in (a, b))
    mean = float((recipe_means(a) - recipe_means(b)).mean())
    if images < 2 or math.isnan(mean):
        return Interval(mean, math.nan, math.nan, *counts)
    if not np.ma.getmaskarray(a).any():  # as good and cheaper
        a, b = (one.mean(2, keepdims=True) for one in (a, b))
    if len(a) == len(b) == 1:
        a, b = a - b, a[:, :, :0]
    of_images = draw(images, draws, seed)
    drawn = recipe_means(a, draw_seeds(len(a), draws, seed + 1), of_images)
    if b.shape[2]:
        drawn -= recipe_means(b, draw_seeds(len(b), draws, seed + 2), of_images)
    low, high = ends(drawn.mean(1), images, confidence)
    return Interval(mean, low, high, *counts)


def _image_differences(a: Cube, b: Cube) -> np.ndarray:
    """One number for each image of which both have scores; infinite where one is, or is NaN."""
    mask = np.ma.getmaskarray(a)[0]
    with np.errstate(invalid="ignore"):
        means = [
            np.where(np.isnan(data), -np.inf, data).mean(0) for data in map(np.ma.getdata, (a, b))
        ]
        pairs = means[0] - means[1]
        pairs[np.isnan(pairs)] = 0.0  # both exact, or both not finite
        counts = (~mask).sum(1)
        images = np.where(mask, 0.0, pairs).sum(1)[counts > 0] / counts[counts > 0]
    return np.where(np.isnan(images), 0.0, images)


def _welch(a: list[float], b: list[float], confidence: float) -> Interval | None:
    if min(len(a), len(b)) < 2 or not np.isfinite([*a, *b]).all():
        return None
    parts = [float(np.var(one, ddof=1)) / len(one) for one in (a, b)]
    mean = float(np.mean(a) - np.mean(b))
    n, variance = len(a) + len(b), sum(parts)
    if not variance:
        return Interval(mean, mean, mean, n)
    freedom = variance**2 / sum(
        part**2 / (len(one) - 1) for part, one in zip(parts, (a, b), strict=True)
    )
    half = t_quantile(freedom, confidence) * math.sqrt(variance)
    return Interval(mean, mean - half, mean + half, n)


@functools.lru_cache(maxsize=8)
def _signs(n: int, draws: int, seed: int) -> np.ndarray:
    if n <= _EXACT:
        bits = np.arange(2**n)[:, None] >> np.arange(n) & 1
    else:
        bits = np.random.default_rng(seed).integers(0, 2, (draws, n))
    return bits * 2.0 - 1
