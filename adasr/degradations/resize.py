"""Resizing: Real-ESRGAN's three modes, and the antialiased bicubic of Pillow."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

MODES = ("area", "bilinear", "bicubic")


def resize(images: Tensor, size: tuple[int, int], mode: str) -> Tensor:
    """Resize without antialiasing, pixel centres aligned.

    The scale follows from the sizes, so that an image resized to a rounded size and back stays in
    register with its GT; a nominal factor would shift it by up to a pixel of the small image.

    Args:
        images: (N, C, H, W).
        size: (height, width) of the result, at least 1.
        mode: "area", "bilinear" or "bicubic" (a = -0.75, may overshoot [0, 1]).
    """
    if tuple(images.shape[-2:]) == size:
        return images
    return F.interpolate(images, size=size, mode=mode)


def bicubic_downscale(images: Tensor, scale: int) -> Tensor:
    """Pillow's bicubic: antialiased, a = -0.5. Not clamped.

    Args:
        images: (N, C, H, W) with H and W multiples of ``scale``.
        scale: downscaling factor.

    Returns:
        (N, C, H / scale, W / scale).
    """
    h, w = images.shape[-2:]
    size = (h // scale, w // scale)
    return F.interpolate(images, size=size, mode="bicubic", antialias=True)
