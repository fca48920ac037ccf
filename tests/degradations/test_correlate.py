"""Filters for single images against SciPy, whichever way a kernel takes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import correlate as reference

from adasr.degradations.correlate import _PRODUCTS, correlate, trimmed
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
        rank = len(kernel.rows)
        ways.add("product" if rank == 1 else "products" if kernel.rows.size <= _PRODUCTS else "DFT")
        ours = correlate(image, kernel)
        assert ours.shape == (3, 40 - 2 * r, 53 - 2 * r)
        for plane, result in zip(image.double().numpy(), ours.numpy(), strict=True):
            expected = reference(plane, table.numpy())[r : 40 - r, r : 53 - r]
            np.testing.assert_allclose(result, expected, atol=4e-6)
    assert ways == {"product", "products", "DFT"}


@pytest.mark.parametrize(
    ("sigmas", "products", "radius"),
    [((0.1, 0.1, 0.0), False, 0), ((2.0, 2.0, 1.0), False, 10), ((2.0, 1.0, 0.7), True, 8)],
)
def test_zeros_around_are_left_out_and_products_are_found(sigmas, products, radius):
    kernel = trimmed(_gaussian(*sigmas))[0]
    assert kernel.radius == radius
    assert (len(kernel.rows) > 1) == products
    np.testing.assert_allclose(kernel.columns.T @ kernel.rows, kernel.table, atol=1e-6)


def test_a_kernel_with_an_empty_centre_is_a_product_too():
    ring = torch.zeros(1, 7, 7)
    ring[0, 0, 3] = ring[0, 6, 3] = 0.5
    kernel = trimmed(ring)[0]
    np.testing.assert_allclose(kernel.columns.T @ kernel.rows, ring[0])
    assert kernel.radius == 3
