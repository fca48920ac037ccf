"""Normal numbers drawn by compiled code are distributed as SciPy says."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from adasr.degradations.random_numbers import random_bits, standard_normal


def test_bits_are_those_that_splitmix64_is_known_by():
    first = [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]
    assert [random_bits(np.uint64(0), i) for i in (1, 2, 3)] == first


@pytest.fixture(scope="module")
def numbers():
    return standard_normal((3, 700, 701), torch.Generator().manual_seed(0)).double().numpy()


def test_distribution(numbers):
    assert numbers.shape == (3, 700, 701)
    assert stats.kstest(numbers.ravel(), "norm").pvalue > 1e-3
    n = numbers.size
    for power, mean, variance in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)):
        z = ((numbers**power).mean() - mean) / np.sqrt(variance / n)
        assert abs(z) < 4
    beyond = (np.abs(numbers) > 4).sum()
    assert stats.poisson.sf(beyond, 2 * stats.norm.sf(4) * n) > 1e-4
    assert stats.poisson.cdf(beyond, 2 * stats.norm.sf(4) * n) > 1e-4


@pytest.mark.parametrize("power", [1, 2])
def test_numbers_are_independent(numbers, power):
    """Also those that come of one pair, which lie half an array apart."""
    values = (numbers**power).ravel()
    values = (values - values.mean()) / values.std()
    for lag in (1, 2, 700, 701, (len(values) + 1) // 2):
        assert abs((values[lag:] * values[:-lag]).mean()) < 5 / np.sqrt(len(values))


def test_the_generator_decides():
    first, again, other = (
        standard_normal((5, 3), torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 1, 5), (2, 2, 2)])
def test_any_shape(shape):
    assert standard_normal(shape, torch.Generator()).shape == shape
