"""Filters for single images against SciPy, whichever way a kernel takes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import correlate as reference

from adasr.degradations.correlate import correlate, trimmed
from adasr.degradations.kernels import FAMILIES, FAMILY_PROB, KernelMix, gaussian_kernels

MIX = KernelMix(21, FAMILIES, FAMILY_PROB, (0.2, 3.0), (0.5, 4.0), (1.0, 2.0), 0.1)


def _gaussian(sigma: float, other: float, theta: float) -> torch.Tensor:
    one = torch.ones(1, dtype=torch.float64)
    support = torch.tensor([21])
    return gaussian_kernels(21, support, one * sigma, one * other, one * theta)


def test_all_kinds_of_kernels_equal_scipy():
    kernels = MIX.draw(60, torch.Generator().manual_seed(0))
    image = torch.rand(3, 40, 53, generator=torch.Generator().manual_seed(1))
    ways = set()
    for kernel, table in zip(trimmed(kernels), kernels, strict=True):
        r = kernel.radius
        ways.add((kernel.column is not None, r > 4))
        ours = correlate(image, kernel)
        assert ours.shape == (3, 40 - 2 * r, 53 - 2 * r)
        for plane, result in zip(image.double().numpy(), ours.numpy(), strict=True):
            expected = reference(plane, table.numpy())[r : 40 - r, r : 53 - r]
            np.testing.assert_allclose(result, expected, atol=2e-6)
    assert len(ways) == 4  # separable or not, small or large


@pytest.mark.parametrize(
    ("sigmas", "separable", "radius"),
    [((0.1, 0.1, 0.0), True, 0), ((2.0, 2.0, 1.0), True, 10), ((2.0, 1.0, 0.7), False, 9)],
)
def test_zeros_around_are_left_out_and_products_are_found(sigmas, separable, radius):
    kernel = trimmed(_gaussian(*sigmas))[0]
    assert kernel.radius == radius
    assert (kernel.column is not None) == separable


def test_a_kernel_with_an_empty_centre_is_no_product():
    ring = torch.zeros(1, 7, 7)
    ring[0, 0, 3] = ring[0, 6, 3] = 0.5
    kernel = trimmed(ring)[0]
    assert kernel.column is None
    assert kernel.radius == 3
