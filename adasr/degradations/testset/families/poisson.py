"""Shot noise: counted photons, as in ImageNet-C (Hendrycks and Dietterich, ICLR 2019).

White has ``peak`` photons: 60, 25 and 12 are severities 1 to 3. Counts are drawn by inverting the
distribution in whole numbers, from tables of decimal arithmetic, which is the same everywhere.
"""

from __future__ import annotations

import decimal
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ...families import POISSON_NOISE
from ..recipe import Recipe, add, random_words

_DIGITS = decimal.Context(prec=40)


@dataclass(frozen=True)
class Poisson:
    """``y = Poisson(peak x) / peak`` in each channel."""

    peak: int

    def __call__(self, image: np.ndarray, random: np.random.RandomState) -> np.ndarray:
        """The noisy image."""
        thresholds, starts = _table(self.peak)
        key = image.astype(np.uint64) << np.uint64(32) | random_words(random, image.shape)
        counts = np.searchsorted(thresholds, key, side="right") - starts[image]
        # Rounded to the nearest level.
        levels = (2 * 255 * counts + self.peak) // (2 * self.peak)
        return np.minimum(levels, 255).astype(np.uint8)


@lru_cache(maxsize=8)
def _table(peak: int) -> tuple[np.ndarray, np.ndarray]:
    """Cumulative probabilities in units of 2^-32 of all levels, and where each level begins.

    The upper half of a threshold's 64 bits is its level, so that one search finds the counts of all
    pixels.
    """
    one, thresholds, starts = decimal.Decimal(2**32), [], []
    for level in range(256):
        starts.append(len(thresholds))
        rate = _DIGITS.divide(decimal.Decimal(level * peak), decimal.Decimal(255))
        share = total = _DIGITS.exp(-rate)
        count = 0
        while (below := int(_DIGITS.multiply(total, one))) < 2**32 - 1:
            thresholds.append(level << 32 | below)
            count += 1
            share = _DIGITS.divide(_DIGITS.multiply(share, rate), decimal.Decimal(count))
            total = _DIGITS.add(total, share)
    return np.array(thresholds, np.uint64), np.array(starts, np.int64)


for _peak, _severity in ((60, 1), (25, 2), (12, 3)):
    add(
        f"poisson{_peak}",
        Recipe(
            (POISSON_NOISE,),
            f"{_peak} photons in white",
            "little light, high ISO",
            f"ImageNet-C's severity {_severity}",
            noise=Poisson(_peak),
        ),
    )
