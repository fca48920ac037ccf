"""Picking rows and columns of samples that have different sizes on one canvas."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor


@lru_cache(maxsize=256)
def constant(values: tuple, dtype: torch.dtype, device: torch.device) -> Tensor:
    """A tensor of fixed numbers that stays on its device: copying it there would wait."""
    return torch.tensor(values, dtype=dtype).to(device)


def full_sizes(images: Tensor) -> Tensor:
    """(N, 2) heights and widths of images that fill their canvas."""
    n, _, h, w = images.shape
    height = torch.full((n,), h, device=images.device)
    return torch.stack([height, torch.full_like(height, w)], 1)


def places(length: int, images: Tensor) -> Tensor:
    """(length,) indices 0, 1, ... on the device of ``images``."""
    return torch.arange(length, device=images.device)


def reflected(index: Tensor, length: Tensor) -> Tensor:
    """Indices (K,) folded into [0, length) for each of N lengths, by mirrors at the end pixels.

    Returns:
        (N, K).
    """
    period = 2 * (length[:, None] - 1)
    index = index.remainder(period.clamp(min=1))
    # A length of 1 has no period: both terms are then 0.
    return torch.minimum(index, period - index)


def replicated(index: Tensor, length: Tensor) -> Tensor:
    """Indices (K,) held at the last pixel, for each of N lengths: (N, K)."""
    return torch.minimum(index, length[:, None] - 1)


def take(images: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """The named rows and columns of each image.

    Args:
        images: (N, C, H, W).
        rows: (N, h) indices below H.
        columns: (N, w) indices below W.

    Returns:
        (N, C, h, w).
    """
    c, w = images.shape[1], images.shape[3]
    picked = images.gather(2, rows[:, None, :, None].expand(-1, c, -1, w))
    return picked.gather(3, columns[:, None, None].expand(-1, c, rows.shape[1], -1))


def replicate_edges(images: Tensor, sizes: Tensor) -> Tensor:
    """The canvas with the last row and column of every sample repeated to its end."""
    h, w = images.shape[-2:]
    rows = replicated(places(h, images), sizes[:, 0])
    return take(images, rows, replicated(places(w, images), sizes[:, 1]))


def crop(images: Tensor, corners: Tensor, size: tuple[int, int]) -> Tensor:
    """A window of each image.

    Args:
        images: (N, C, H, W).
        corners: (N, 2) rows and columns of the windows' first pixels.
        size: (height, width) of the windows.
    """
    rows = corners[:, :1] + places(size[0], images)
    return take(images, rows, corners[:, 1:] + places(size[1], images))


def inside(images: Tensor, sizes: Tensor) -> Tensor:
    """(N, 1, H, W) booleans: the pixel belongs to the sample."""
    h, w = images.shape[-2:]
    rows = places(h, images) < sizes[:, :1]
    columns = places(w, images) < sizes[:, 1:]
    return (rows[:, :, None] & columns[:, None])[:, None]
