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

from .compiled import compiled
from .levels import to_levels
from .noise import LUMA
from .random_numbers import draw_seed, random_bits

_BINS = 256  # of a table: 8 standard deviations on each side of the mean at 256 counts
_LUMA = torch.tensor([LUMA])
_CHUNK = 2048  # pixels in the cache between two loops


def level_counts(distinct: int) -> int:
    """The intensity in counts: the number of distinct levels rounded up to a power of two."""
    return 1 << (max(distinct, 1) - 1).bit_length()


def levels_of(image: Tensor, gray: bool, seen: np.ndarray) -> Tensor:
    """8-bit levels of an image.

    Args:
        image: (3, H, W) float32 in [0, 1], on the CPU.
        gray: whether to take the levels of its luma.
        seen: (256,) booleans; true is put in for each level there is.

    Returns:
        uint8, (3, H, W), or (1, H, W) if ``gray``.
    """
    planes = image.reshape(3, -1)
    if gray:
        planes = _LUMA @ planes
    levels = torch.empty(len(planes), *image.shape[1:], dtype=torch.uint8)
    flat = levels.numpy().reshape(len(planes), -1)
    to_levels(planes.numpy(), flat)
    _mark(flat, seen)
    return levels


@compiled
def _mark(levels, seen):
    for c in range(len(levels)):
        for i in range(levels.shape[1]):
            seen[levels[c, i]] = True


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
    noise = torch.empty(levels.shape)
    flat, seed = levels.contiguous().numpy().reshape(-1), draw_seed(generator)
    _look_up(flat, table, start, np.float32(1 / counts), seed, noise.numpy().reshape(-1))
    return noise


@compiled
def _look_up(levels, table, start, step, seed, noise):
    """In loops that do one thing each, as vector instructions do it."""
    place, bits = np.empty(_CHUNK, np.uint32), np.empty(_CHUNK, np.int32)
    entry = np.empty(_CHUNK, np.int32)
    for begin in range(0, len(levels), _CHUNK):
        n = min(_CHUNK, len(levels) - begin)
        here, target = levels[begin : begin + n], noise[begin : begin + n]
        for i in range(n):
            # Eight random bits choose a bin, 23 others between the bin and its alias.
            mixed = random_bits(seed, begin + i + 1)
            place[i] = (np.uint32(here[i]) << np.uint32(8)) | np.uint32(mixed & np.uint64(255))
            bits[i] = np.int32((mixed >> np.uint64(9)) & np.uint64(2**23 - 1))
        for i in range(n):
            entry[i] = table[place[i]]
        for i in range(n):
            chosen, alias = np.int32(place[i]) & np.int32(255), entry[i] & np.int32(255)
            kept = np.int32(bits[i] < (entry[i] >> np.int32(8)))
            target[i] = np.float32(alias + kept * (chosen - alias)) * step
        for i in range(n):
            target[i] += start[here[i]]


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
    # A threshold of 1 needs one bit more than there is, and does without: the alias is the bin.
    full = np.rint(threshold.clip(0, 1) * 2**23) == 2**23
    alias = np.where(full, np.arange(_BINS), alias)
    packed = np.minimum(np.rint(threshold.clip(0, 1) * 2**23), 2**23 - 1).astype(np.int64) << 8
    packed |= alias
    return packed.astype(np.int32).ravel(), (start / counts - rate / counts).astype(np.float32)
