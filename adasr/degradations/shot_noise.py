"""Poisson noise of 8-bit levels on a CPU, drawn from tables.

There are 256 levels and few counts, so few distributions: Walker's alias method then makes a sample
of one random number and one look-up, several times faster than a general Poisson sampler.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import torch
from torch import Generator, Tensor

_BINS = 256  # of a table: 8 standard deviations on each side of the mean at 256 counts


def level_counts(distinct: int) -> int:
    """The intensity in counts: the number of distinct levels rounded up to a power of two."""
    return 1 << (max(distinct, 1) - 1).bit_length()


def shot_noise(levels: Tensor, counts: int, generator: Generator) -> Tensor:
    r""":math:`\mathrm{Poisson}(v x) / v - x` for levels :math:`255 x`.

    Args:
        levels: uint8 of any shape, on the CPU.
        counts: the intensity v, a power of two up to 256.
        generator: where the noise comes from.

    Returns:
        float32 of the same shape; probabilities are exact to 2^-23.
    """
    table, start = _tables(counts)
    raw = torch.empty(levels.shape, dtype=torch.int32).random_(generator=generator).numpy()
    level = levels.numpy()
    # 31 random bits: eight choose a bin, the others between the bin and its alias.
    bins = raw & (_BINS - 1)
    entry = table.take((level.astype(np.int32) << 8) | bins)
    drawn = np.where(raw >> 8 < entry >> 8, bins, entry & (_BINS - 1))
    noise = drawn.astype(np.float32)
    noise *= np.float32(1 / counts)
    noise += start.take(level)
    return torch.from_numpy(noise)


@lru_cache(maxsize=16)
def _tables(counts: int) -> tuple[np.ndarray, np.ndarray]:
    """Per level: bins of (23-bit threshold, 8-bit alias), and what to add to bin / counts."""
    rate = np.arange(256) / 255 * counts
    start = np.maximum(0, np.floor(rate) - _BINS // 2)
    k = start[:, None] + np.arange(_BINS)
    log_factorial = np.cumsum(np.log(np.maximum(np.arange(counts + 2 * _BINS), 1)))
    with np.errstate(divide="ignore"):
        log_rate = np.where(rate > 0, np.log(rate), -math.inf)[:, None]
    power = np.where(k > 0, k * np.maximum(log_rate, -1e9), 0.0)
    share = np.exp(power - rate[:, None] - log_factorial[k.astype(int)])
    share *= _BINS / share.sum(1, keepdims=True)
    threshold, alias = np.ones((256, _BINS)), np.tile(np.arange(_BINS), (256, 1))
    rows, left = np.arange(256), share.copy()
    done = np.zeros((256, _BINS), bool)
    for _ in range(_BINS - 1):
        poor = np.where(done, math.inf, left).argmin(1)
        rich = np.where(done, -math.inf, left).argmax(1)
        threshold[rows, poor], alias[rows, poor] = left[rows, poor], rich
        left[rows, rich] -= 1 - left[rows, poor]
        done[rows, poor] = True
    packed = (np.rint(threshold.clip(0, 1) * 2**23).astype(np.int64) << 8) | alias
    packed = np.minimum(packed, 2**31 - 1)  # a threshold of 1 does without its alias
    return packed.astype(np.int32).ravel(), (start / counts - rate / counts).astype(np.float32)
