"""JPEG of samples of different sizes on one canvas."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ..jpeg_blocks import quantization_steps
from ..jpeg_released import released_jpeg
from ..jpeg_simulated import coded, quality_factor, scaled_steps, to_rgb, to_ycc
from .canvas import inside, places, replicate_edges, replicated, take

UNIT = 16  # sides of canvases are multiples of it


def simulated(images: Tensor, sizes: Tensor, quality: Tensor, halved: bool = True) -> Tensor:
    """``adasr.degradations.jpeg_simulated.simulated_jpeg`` of each sample at its own size.

    Args:
        images: (N, 3, H, W) canvases, H and W multiples of 16; clamped to [0, 1] first.
        sizes: (N, 2) true sizes.
        quality: (N,), rounded to whole numbers in [1, 100].
        halved: chroma halved in both directions (4:2:0) rather than whole (4:4:4).

    Returns:
        (N, 3, H, W) canvases of whole 8-bit levels in [0, 1].
    """
    luma_steps, chroma_steps = quantization_steps(images.device)
    factor = quality_factor(quality.float().round().clamp(1, 100)).view(-1, 1, 1)
    # The edge is repeated over the whole canvas: more than the codec's blocks need, at no cost.
    levels = (replicate_edges(images, sizes) * 255).round().clamp(0, 255)
    luma, chroma = to_ycc(levels)
    luma = coded(luma - 128, scaled_steps(luma_steps, factor)) + 128
    chroma = _halved(chroma, sizes) if halved else chroma
    chroma = coded(chroma, scaled_steps(chroma_steps, factor))
    chroma = _doubled(chroma, sizes) if halved else chroma
    return to_rgb(luma, chroma).clamp(0, 255) / 255


def released(images: Tensor, sizes: Tensor, quality: Tensor) -> Tensor:
    """``adasr.degradations.jpeg_released.released_jpeg`` of each sample at its own size.

    Arguments as for ``simulated``; returns (N, 3, H, W) canvases in [0, 1], not rounded.
    """
    return released_jpeg(torch.where(inside(images, sizes), images, 0.0), quality)


def _halved(chroma: Tensor, sizes: Tensor) -> Tensor:
    """Means of 2x2, rounded down and up in turns; the last row of the sample's is repeated."""
    half = F.avg_pool2d(chroma, 2)
    h, w = half.shape[-2:]
    rows = replicated(places(h, half), (sizes[:, 0] + 1) // 2)
    half = half.gather(2, rows[:, None, :, None].expand(-1, half.shape[1], -1, w))
    return (half + (1 + places(w, half) % 2) / 4).floor()


def _doubled(chroma: Tensor, sizes: Tensor) -> Tensor:
    """libjpeg's "fancy" upsampling, bilinear over the chroma samples of the unpadded image."""
    h, w = chroma.shape[-2:]
    half = (sizes + 1) // 2
    rows = replicated(places(h, chroma), half[:, 0])
    chroma = take(chroma, rows, replicated(places(w, chroma), half[:, 1]))
    smooth = F.interpolate(chroma, scale_factor=2, mode="bilinear")
    smooth = (smooth + 0.5 - (places(2 * w, chroma) % 2) / 16).floor()
    repeated = F.interpolate(chroma, scale_factor=2, mode="nearest")
    return torch.where((half[:, 1] <= 2).view(-1, 1, 1, 1), repeated, smooth)
