"""Random numbers for every pixel on a CPU, from one number of a generator.

Each pixel has a state of its own, so that they are drawn in one go by vector instructions.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Generator, Tensor

from .compiled import compiled

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)  # SplitMix64's step from state to state
_LN2 = np.float32(np.log(2))
_ROOT = np.int32(0x3F3504F3)  # the bits of the root of 1/2
_QUARTER = np.float32(np.pi / 2)


def draw_seed(generator: Generator) -> np.uint64:
    """What ``random_bits`` starts from."""
    return np.uint64(int(torch.randint(2**62, (), generator=generator)))


@compiled
def random_bits(seed, index):
    """The numbers of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014), 64 bits; the first is 1."""
    state = seed + np.uint64(index) * _GOLDEN
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))


def standard_normal(shape: tuple[int, ...], generator: Generator) -> Tensor:
    """Independent standard normal numbers, float32, none further than 5.8 from 0."""
    count = int(np.prod(shape))
    result = torch.empty(2, (count + 1) // 2)
    _normal(draw_seed(generator), *result.numpy())
    return result.view(-1)[:count].view(shape)


@compiled
def _normal(seed, first, second):
    """Pairs by Box and Muller's transform, its functions by series, exact to 2e-6."""
    one, half = np.float32(1), np.float32(0.5)
    for i in range(len(first)):
        bits = random_bits(seed, i + 1)
        # ln u of u in (0, 1]: u = 2^e (1 + f), with 1 + f between the roots of 1/2 and 2.
        u = np.float32((bits >> np.uint64(40)) + np.uint64(1)) * np.float32(2**-24)
        raw = np.int32(np.float32(u).view(np.int32) - _ROOT)
        e = np.float32(raw >> np.int32(23))
        m = np.int32((raw & np.int32(0x7FFFFF)) + _ROOT).view(np.float32)
        # ln m = 2 artanh s
        s = (m - one) / (m + one)
        q = s * s
        series = np.float32(1 / 7) + q * np.float32(1 / 9)
        series = np.float32(1 / 3) + q * (np.float32(1 / 5) + q * series)
        log = e * _LN2 + np.float32(2) * (s + s * q * series)
        radius = np.sqrt(max(np.float32(-2) * log, np.float32(0)))
        # An angle of up to an eighth of a turn, in one of four quarters.
        unit = np.float32((bits >> np.uint64(2)) & np.uint64(2**24 - 1)) * np.float32(2**-24)
        angle = (unit - half) * _QUARTER
        a = angle * angle
        sin = np.float32(1 / 120) - a * np.float32(1 / 5040)
        sin = angle * (one - a * (np.float32(1 / 6) - a * sin))
        cos = np.float32(1 / 720) - a * np.float32(1 / 40320)
        cos = one - a * (half - a * (np.float32(1 / 24) - a * cos))
        swapped = np.float32(bits & np.uint64(1))
        radius *= one - np.float32(bits & np.uint64(2))
        first[i] = radius * (cos + swapped * (sin - cos))
        second[i] = radius * (sin + swapped * (cos - sin))
