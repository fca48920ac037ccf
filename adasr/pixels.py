"""What several packages do to pixels of image files."""

from __future__ import annotations

import numpy as np


def modcrop(image: np.ndarray, scale: int) -> np.ndarray:
    """An (H, W[, C]) image cut at its bottom and right to multiples of ``scale``."""
    height, width = image.shape[:2]
    return image[: height - height % scale, : width - width % scale]


def to_eight_bit(image: np.ndarray) -> np.ndarray:
    """uint8 from uint8, uint16, or floats in [0, 1], rounded to the nearest."""
    if image.dtype == np.uint8:
        return image
    unit = image.astype(np.float64) / (65535 if image.dtype == np.uint16 else 1)
    return np.rint(unit.clip(0, 1) * 255).astype(np.uint8)
