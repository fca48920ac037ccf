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
    _unit(images.numpy(), result.numpy())
    return result


def quantized(images: Tensor) -> Tensor:
    """Clamped to [0, 1] and rounded to 8 bits."""
    return (images * 255).round().clamp(0, 255) / 255


@compiled
def _unit(levels, result):
    for c in range(levels.shape[0]):
        for y in range(levels.shape[1]):
            source, target = levels[c, y], result[c, y]
            for x in range(levels.shape[2]):
                target[x] = np.float32(source[x]) / np.float32(255)


@compiled
def level(value):
    """The level of a value in [0, 1]."""
    return np.uint8(min(max(np.rint(value * np.float32(255)), np.float32(0)), np.float32(255)))
