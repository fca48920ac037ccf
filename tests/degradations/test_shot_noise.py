"""Poisson noise from tables has the distribution that SciPy says."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from adasr.degradations.shot_noise import level_counts, shot_noise


@pytest.mark.parametrize("distinct", range(1, 257))
def test_counts_are_the_next_power_of_two(distinct):
    assert level_counts(distinct) == 2 ** np.ceil(np.log2(distinct))


@pytest.mark.parametrize("counts", [1, 2, 16, 128, 256])
@pytest.mark.parametrize("level", [0, 1, 3, 77, 128, 254, 255])
def test_distribution(counts, level):
    n, rate = 200_000, level / 255 * counts
    levels = torch.full((n,), level, dtype=torch.uint8)
    noise = shot_noise(levels, counts, torch.Generator().manual_seed(level)).double()
    drawn = ((noise + level / 255) * counts).numpy()
    assert np.abs(drawn - drawn.round()).max() < 1e-3
    if level == 0:
        assert not noise.any()
        return
    low, high = (int(stats.poisson.ppf(q, rate)) for q in (1e-3, 1 - 1e-3))
    values = np.arange(low, high + 1)
    found = np.array([(drawn.round() == value).sum() for value in values])
    expected = stats.poisson.pmf(values, rate) * n
    chi_square = ((found - expected) ** 2 / expected).sum()
    assert stats.chi2.sf(chi_square, len(values)) > 1e-4


def test_the_generator_decides():
    levels = torch.randint(0, 256, (3, 9, 9), dtype=torch.uint8)
    first, again = (shot_noise(levels, 64, torch.Generator().manual_seed(1)) for _ in range(2))
    assert torch.equal(first, again)
    assert first.shape == levels.shape and first.dtype == torch.float32
