"""8-bit levels of float images on a CPU, and back."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from .compiled import compiled


def as_float(images: Tensor) -> Tensor:
    """float32 in [0, 1] of uint8 images or of floats in [0, 1], of any shape."""
    if images.dtype != torch.uint8:
        return images.float()
    if images.device.type != "cpu" or images.dim() != 3:
        return images.float().div_(255)
    result = torch.empty(images.shape)
    from_levels(images.numpy(), result.numpy())
    return result


def quantized(images: Tensor) -> Tensor:
    """Clamped to [0, 1] and rounded to 8 bits; NaN becomes 0 on a CPU."""
    if images.device.type != "cpu":
        return (images * 255).round().clamp(0, 255) / 255
    result = torch.empty(images.shape)
    flat = images.reshape(1, -1).numpy()
    levels = np.empty(flat.shape, np.uint8)
    to_levels(flat, levels)
    from_levels(levels[None], result.numpy().reshape(1, *flat.shape))
    return result


def add_noise(image: Tensor, noise: Tensor, strength: float) -> Tensor:
    """(3, H, W) in [0, 1]: an image and noise for all of its channels or the same in each.

    Args:
        image: (3, H, W) float32 on the CPU.
        noise: (3, H, W) or (1, H, W).
        strength: what the noise is multiplied with.
    """
    image = image.contiguous()
    result = torch.empty(image.shape)
    planes = image.shape[0], image.shape[1] * image.shape[2]
    numbers = noise.numpy().reshape(-1, planes[1])
    _add(image.numpy().reshape(planes), numbers, strength, result.numpy().reshape(planes))
    return result


@compiled
def _add(planes, noise, strength, result):
    strength = np.float32(strength)
    for c in range(len(planes)):
        plane, numbers, target = planes[c], noise[c if len(noise) > 1 else 0], result[c]
        for i in range(len(plane)):
            value = plane[i] + strength * numbers[i]
            target[i] = min(max(value, np.float32(0)), np.float32(1))


@compiled
def from_levels(levels, result):
    """Values in [0, 1] of (C, H, W) levels."""
    for c in range(levels.shape[0]):
        for y in range(levels.shape[1]):
            source, target = levels[c, y], result[c, y]
            for x in range(levels.shape[2]):
                target[x] = np.float32(source[x]) / np.float32(255)


@compiled
def to_levels(planes, levels):
    """8-bit levels of (n, m) values in [0, 1]; what lies outside is clamped."""
    for c in range(planes.shape[0]):
        plane, target = planes[c], levels[c]
        for i in range(len(plane)):
            value = np.rint(plane[i] * np.float32(255))
            value = value if value > 0 else np.float32(0)  # NaN is black
            target[i] = np.uint8(min(value, np.float32(255)))
