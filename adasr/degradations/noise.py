"""Gaussian and Poisson noise, one strength for each sample (Real-ESRGAN, section 3.1).

Drawn on the generator's device and then moved, so that one generator gives the same noise wherever
the images are. Results are clamped to [0, 1].
"""

from __future__ import annotations

import torch
from torch import Tensor

LUMA = (0.2989, 0.587, 0.114)


def add_gaussian_noise(
    images: Tensor, sigma: Tensor, gray: Tensor, generator: torch.Generator
) -> Tensor:
    """Add zero-mean normal noise.

    Args:
        images: (N, 3, H, W) in [0, 1].
        sigma: (N,) standard deviations in units of 1/255.
        gray: (N,) booleans: one noise for all three channels.
        generator: where the noise comes from.

    Returns:
        (N, 3, H, W) in [0, 1].
    """
    device = generator.device
    noise = torch.randn(images.shape, generator=generator, device=device).to(images.device)
    gray, sigma = _column(gray, images), _column(sigma, images)
    noise = torch.where(gray, noise[:, :1], noise)
    return (images + noise * (sigma / 255)).clamp(0, 1)


def add_poisson_noise(
    images: Tensor, scale: Tensor, gray: Tensor, generator: torch.Generator
) -> Tensor:
    r"""Add shot noise, whose variance grows with the intensity.

    .. math:: y = x + s \left( \frac{\mathrm{Poisson}(v x)}{v} - x \right)

    where v, the intensity in counts, is the number of distinct 8-bit values in the image rounded
    up to a power of two. Gray noise is the noise of the gray image, added to all channels.

    Args:
        images: (N, 3, H, W) in [0, 1].
        scale: (N,) factors s.
        gray: (N,) booleans: one noise for all three channels.
        generator: where the noise comes from.

    Returns:
        (N, 3, H, W) in [0, 1].
    """
    noise = torch.empty_like(images)
    for n, is_gray in enumerate(gray.tolist()):
        image = _luma(images[n]) if is_gray else images[n]
        noise[n] = _shot_noise(image, generator)
    return (images + noise * _column(scale, images)).clamp(0, 1)


def _shot_noise(image: Tensor, generator: torch.Generator) -> Tensor:
    """Noise of one (C, H, W) image as seen through an 8-bit sensor."""
    levels = (image * 255).round().clamp(0, 255).to(generator.device)
    distinct = int((torch.bincount(levels.flatten().long(), minlength=256) > 0).sum())
    counts = 1 << (distinct - 1).bit_length()
    clean = levels / 255
    noise = torch.poisson(clean * counts, generator=generator) / counts - clean
    return noise.to(image.device)


def _luma(image: Tensor) -> Tensor:
    weights = image.new_tensor(LUMA).view(3, 1, 1)
    return (image * weights).sum(0, keepdim=True)


def _column(value: Tensor, images: Tensor) -> Tensor:
    dtype = torch.bool if value.dtype == torch.bool else images.dtype
    return value.to(images.device, dtype).view(-1, 1, 1, 1)
