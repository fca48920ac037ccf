"""Filters: one kernel for each sample, separable Gaussians, unsharp masking."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

USM_SIZE = 51
"""Side of the window of unsharp masking: a radius of 50, taken as the next odd number."""
USM_SIGMA = 0.3 * ((USM_SIZE - 1) * 0.5 - 1) + 0.8
"""Its standard deviation, by OpenCV's rule for a window without one."""


def filter2d(images: Tensor, kernels: Tensor) -> Tensor:
    """Correlate each image with its own kernel; the border is reflected (dcb|abcd|cba).

    Args:
        images: (N, C, H, W), float32, any range and any size.
        kernels: (N, k, k) with odd k, or (1, k, k) for one kernel for all.

    Returns:
        (N, C, H, W).

    Raises:
        ValueError: the shapes do not fit.
    """
    if kernels.dim() != 3 or kernels.shape[1] != kernels.shape[2] or kernels.shape[1] % 2 == 0:
        raise ValueError(f"expected (N, k, k) kernels with odd k, got {tuple(kernels.shape)}")
    if kernels.shape[0] not in (1, images.shape[0]):
        raise ValueError(f"{kernels.shape[0]} kernels do not fit {images.shape[0]} images")
    kernels = kernels.to(images.dtype).to(images.device)
    if images.device.type == "cpu" and images.dtype == torch.float32:
        return _filter2d_opencv(images, kernels)
    return _filter2d_torch(images, kernels)


def _filter2d_opencv(images: Tensor, kernels: Tensor) -> Tensor:
    """Several times faster than a grouped convolution on a CPU: large kernels go through a DFT."""
    planes, table = images.detach().contiguous().numpy(), kernels.detach().numpy()
    result = np.empty_like(planes)
    for n, image in enumerate(planes):
        kernel = table[n % len(table)]
        for c, plane in enumerate(image):
            result[n, c] = cv2.filter2D(plane, -1, kernel, borderType=cv2.BORDER_REFLECT_101)
    return torch.from_numpy(result)


def _filter2d_torch(images: Tensor, kernels: Tensor) -> Tensor:
    n, c, h, w = images.shape
    radius = kernels.shape[-1] // 2
    if radius < min(h, w):
        padded = F.pad(images, (radius, radius, radius, radius), mode="reflect")
    else:
        rows = _reflected(torch.arange(-radius, h + radius, device=images.device), h)
        columns = _reflected(torch.arange(-radius, w + radius, device=images.device), w)
        padded = images[:, :, rows][:, :, :, columns]
    weight = kernels.expand(n, -1, -1).repeat_interleave(c, 0).unsqueeze(1)
    flat = padded.reshape(1, n * c, *padded.shape[-2:])
    return F.conv2d(flat, weight, groups=n * c).view(n, c, h, w)


def gaussian_window(size: int, sigma: float) -> Tensor:
    """(size,) normalized samples of a Gaussian, float64; ``sigma`` in pixels."""
    distance = torch.arange(size, dtype=torch.float64) - (size - 1) / 2
    window = (-distance.square() / (2 * sigma**2)).exp()
    return window / window.sum()


def gaussian_blur(images: Tensor, size: int, sigma: float) -> Tensor:
    """Gaussian blur with a ``size`` x ``size`` window; the border is reflected.

    A separable filter with reflected border is a matrix product along each axis, which is the
    fastest way on every device for windows as wide as those of unsharp masking.

    Args:
        images: (N, C, H, W).
        size: odd side of the window.
        sigma: standard deviation in pixels.
    """
    down = _blur_matrix(images.shape[-2], size, sigma).to(images.device, images.dtype)
    across = _blur_matrix(images.shape[-1], size, sigma).to(images.device, images.dtype)
    return down @ images @ across.T


def usm_sharp(
    images: Tensor, weight: float = 0.5, radius: int = 50, threshold: float = 10.0
) -> Tensor:
    """Unsharp masking as in Real-ESRGAN: only where the image differs from its blurred self.

    ``sharp = I + weight (I - B)`` is blended with ``I`` by the blurred mask of
    ``|I - B| > threshold``, where ``B`` is the image under a Gaussian window.

    Args:
        images: (N, C, H, W) in [0, 1].
        weight: strength.
        radius: side of the window; an even number is taken as the next odd one.
        threshold: smallest difference that counts, in units of 1/255.

    Returns:
        (N, C, H, W) in [0, 1].
    """
    size = radius | 1
    sigma = 0.3 * ((size - 1) * 0.5 - 1) + 0.8  # OpenCV's rule for a window without a sigma
    residual = images - gaussian_blur(images, size, sigma)
    mask = (residual.abs() * 255 > threshold).to(images.dtype)
    soft_mask = gaussian_blur(mask, size, sigma)
    sharp = (images + weight * residual).clamp(0, 1)
    return images + soft_mask * (sharp - images)


def _reflected(index: Tensor, length: int) -> Tensor:
    """Indices folded into [0, length) by mirrors at the first and the last pixel."""
    if length == 1:
        return torch.zeros_like(index)
    period = 2 * (length - 1)
    index = index.remainder(period)
    return torch.minimum(index, period - index)


@lru_cache(maxsize=64)
def _blur_matrix(length: int, size: int, sigma: float) -> Tensor:
    """(length, length): row i holds the weights of the pixels that make pixel i."""
    window = gaussian_window(size, sigma)
    offset = torch.arange(size) - size // 2
    source = _reflected(torch.arange(length)[:, None] + offset, length)
    matrix = torch.zeros(length, length, dtype=torch.float64)
    matrix.scatter_add_(1, source, window.expand(length, -1))
    return matrix.float()
