"""Gaussian or Poisson noise, a kind, a strength and a gray flag for each sample."""

from __future__ import annotations

import torch
from torch import Tensor

from ..noise import LUMA
from .canvas import constant, inside

_POWERS = tuple(2.0**k for k in range(9))


def add_noise(
    images: Tensor,
    sizes: Tensor,
    poisson: Tensor,
    strength: Tensor,
    gray: Tensor,
    generator: torch.Generator | None,
) -> Tensor:
    """The noise of ``adasr.degradations.noise``, which gives its formulas.

    Args:
        images: (N, 3, H, W) canvases; true pixels in [0, 1] up to a filter's overshoot.
        sizes: (N, 2) true sizes.
        poisson: (N,) booleans: Poisson rather than Gaussian noise.
        strength: (N,) sigma in units of 1/255, or the scale of the Poisson noise.
        gray: (N,) booleans: one noise for all three channels.
        generator: on the device of the images.

    Returns:
        (N, 3, H, W) in [0, 1].
    """
    poisson, gray = poisson.view(-1, 1, 1, 1), gray.view(-1, 1, 1, 1)
    strength = strength.to(images.dtype).view(-1, 1, 1, 1)
    noise = torch.randn(images.shape, generator=generator, device=images.device)
    shot = _shot_noise(images, inside(images, sizes), poisson, gray, generator)
    noise = torch.where(poisson, shot * strength, noise * (strength / 255))
    noise = torch.where(gray, noise[:, :1], noise)
    return (images + noise).clamp(0, 1)


def _shot_noise(
    images: Tensor,
    valid: Tensor,
    poisson: Tensor,
    gray: Tensor,
    generator: torch.Generator | None,
) -> Tensor:
    """Noise as seen through an 8-bit sensor; in the first plane alone where it is gray."""
    weights = constant(LUMA, images.dtype, images.device).view(3, 1, 1)
    source = torch.where(gray, (images * weights).sum(1, keepdim=True), images)
    levels = (source * 255).round().clamp(0, 255)
    counts = _counts(levels, valid)
    clean = levels / 255
    # Drawing costs time in proportion to the rate: none where the draw is not used.
    first = constant((True, False, False), torch.bool, images.device).view(3, 1, 1)
    used = poisson & valid & (first | ~gray)
    rate = torch.where(used, clean * counts, 0.0)
    return torch.poisson(rate, generator=generator) / counts - clean


def _counts(levels: Tensor, valid: Tensor) -> Tensor:
    """(N, 1, 1, 1) distinct levels of each sample, rounded up to a power of two."""
    bins = torch.where(valid, levels, 256.0).flatten(1).long()
    seen = levels.new_zeros(len(levels), 257).scatter_(1, bins, 1.0)
    distinct = seen[:, :256].sum(1, keepdim=True)
    powers = constant(_POWERS, levels.dtype, levels.device)
    exponent = (distinct > powers).sum(1)
    return powers.index_select(0, exponent).view(-1, 1, 1, 1)
