"""Filters of large windows through the Fourier transform, and unsharp masking with them.

A transform costs the same for every window, and a fifth of a grouped convolution's arithmetic at
21 x 21; N x 3 groups of one channel each would also leave most of a GPU idle.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from ..blur import gaussian_window
from .canvas import full_sizes, places, reflected, take


def filter2d(images: Tensor, sizes: Tensor, kernels: Tensor) -> Tensor:
    """Correlate each image with its own kernel; its own border is reflected (dcb|abcd|cba).

    Args:
        images: (N, C, H, W) canvases.
        sizes: (N, 2) true sizes.
        kernels: (N, k, k) with odd k, or (1, k, k) for one kernel for all.

    Returns:
        (N, C, H, W) canvases.
    """
    h, w = images.shape[-2:]
    radius = kernels.shape[-1] // 2
    shape = (fft_length(h + 2 * radius), fft_length(w + 2 * radius))
    # Mirrored rows are picked up to the transform's length, which saves padding once more.
    rows = reflected(places(shape[0], images) - radius, sizes[:, 0])
    columns = reflected(places(shape[1], images) - radius, sizes[:, 1])
    spectrum = torch.fft.rfft2(take(images, rows, columns))
    response = torch.fft.rfft2(kernels.to(images.dtype), s=shape).conj()
    return torch.fft.irfft2(spectrum * response[:, None], s=shape)[..., :h, :w]


def identity_kernel(kernels: Tensor) -> Tensor:
    """(k, k): the filter of the kernels' size that changes nothing."""
    centre = places(kernels.shape[-1], kernels) == kernels.shape[-1] // 2
    return (centre[:, None] & centre).to(kernels.dtype)


def usm_sharp(
    images: Tensor, weight: float = 0.5, radius: int = 50, threshold: float = 10.0
) -> Tensor:
    """Unsharp masking as ``adasr.degradations.blur.usm_sharp``, for images without a canvas."""
    size = radius | 1
    sigma = 0.3 * ((size - 1) * 0.5 - 1) + 0.8
    kernel, sizes = _gaussian(size, sigma, images.device), full_sizes(images)
    residual = images - filter2d(images, sizes, kernel)
    mask = (residual.abs() * 255 > threshold).to(images.dtype)
    soft_mask = filter2d(mask, sizes, kernel)
    sharp = (images + weight * residual).clamp(0, 1)
    # A transform leaves a mask a little outside its range.
    return (images + soft_mask * (sharp - images)).clamp(0, 1)


@lru_cache(maxsize=256)
def fft_length(smallest: int) -> int:
    """The next even length whose only prime factors are 2, 3, 5 and 7."""
    length = smallest + smallest % 2
    while not _is_smooth(length):
        length += 2
    return length


def _is_smooth(number: int) -> bool:
    for prime in (2, 3, 5, 7):
        while number % prime == 0:
            number //= prime
    return number == 1


@lru_cache(maxsize=16)
def _gaussian(size: int, sigma: float, device: torch.device) -> Tensor:
    window = gaussian_window(size, sigma)
    return (window[:, None] * window).float()[None].to(device)
