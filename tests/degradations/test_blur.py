"""Filters equal SciPy's, OpenCV's and BasicSR's."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from scipy import ndimage

from adasr.degradations import blur


def _random(*shape: int) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0))


def _kernels(n: int, k: int) -> torch.Tensor:
    kernels = _random(n, k, k)
    return kernels / kernels.sum((1, 2), keepdim=True)


@pytest.mark.parametrize("way", [blur._filter2d_opencv, blur._filter2d_torch])
@pytest.mark.parametrize(("h", "w", "k"), [(40, 33, 21), (24, 24, 7), (8, 5, 21), (1, 3, 7)])
def test_filter2d_equals_scipy_for_any_size(way, h, w, k):
    images, kernels = _random(3, 3, h, w), _kernels(3, k)
    expected = [
        [ndimage.correlate(plane, kernel, mode="mirror") for plane in image]
        for image, kernel in zip(images.double().numpy(), kernels.double().numpy(), strict=True)
    ]
    np.testing.assert_allclose(way(images, kernels).numpy(), np.array(expected), atol=2e-6)


def test_filter2d_equals_basicsr(basicsr):
    from basicsr.utils.img_process_util import filter2D

    images, kernels = _random(4, 3, 48, 40), _kernels(4, 21)
    torch.testing.assert_close(
        blur.filter2d(images, kernels), filter2D(images, kernels), atol=2e-6, rtol=0
    )


def test_filter2d_takes_one_kernel_for_all_and_any_memory_layout():
    images, kernel = _random(3, 3, 32, 32), _kernels(1, 9)
    expected = blur.filter2d(images, kernel.expand(3, -1, -1))
    torch.testing.assert_close(blur.filter2d(images, kernel), expected)
    strided = images.to(memory_format=torch.channels_last)
    torch.testing.assert_close(blur.filter2d(strided, kernel), expected)
    torch.testing.assert_close(blur.filter2d(images.double(), kernel).float(), expected)


@pytest.mark.parametrize("shape", [(2, 4, 4), (2, 3, 5), (5, 5), (3, 5, 5)])
def test_filter2d_refuses_kernels_that_do_not_fit(shape):
    with pytest.raises(ValueError, match="kernels"):
        blur.filter2d(_random(2, 3, 16, 16), torch.ones(shape))


@pytest.mark.parametrize("size", [5, 21, 51])
def test_gaussian_blur_equals_opencv(size):
    image = _random(1, 3, 70, 90)
    expected = cv2.GaussianBlur(image[0].permute(1, 2, 0).numpy(), (size, size), 2.5)
    ours = blur.gaussian_blur(image, size, 2.5)[0].permute(1, 2, 0).numpy()
    np.testing.assert_allclose(ours, expected, atol=1e-6)


def test_usm_equals_basicsr(basicsr, batch):
    from basicsr.utils.img_process_util import USMSharp

    expected = USMSharp()(batch)
    assert (expected - batch).abs().max() > 0.1  # it does something to this picture
    error = (blur.usm_sharp(batch) - expected).abs()
    assert error.quantile(0.99) < 1e-5
    # The mask of a pixel whose residual is all but the threshold may turn out either way.
    assert error.max() < 1e-3


def test_usm_of_an_image_smaller_than_its_window_equals_opencv():
    image = _random(1, 3, 20, 12)
    hwc = image[0].permute(1, 2, 0).numpy()

    def gaussian(x: np.ndarray) -> np.ndarray:
        return cv2.GaussianBlur(x, (51, 51), 0, borderType=cv2.BORDER_REFLECT_101)

    residual = hwc - gaussian(hwc)
    mask = gaussian((np.abs(residual) * 255 > 10).astype(np.float32))
    expected = mask * (hwc + 0.5 * residual).clip(0, 1) + (1 - mask) * hwc
    ours = blur.usm_sharp(image)[0].permute(1, 2, 0).numpy()
    np.testing.assert_allclose(ours, expected, atol=1e-5)


def test_a_flat_image_is_left_alone_by_usm():
    flat = torch.full((1, 3, 64, 64), 0.3)
    torch.testing.assert_close(blur.usm_sharp(flat), flat)
