"""Small pictures of an image before and after, for the slider; results are never made of them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from ..data.images import write_image
from ..pixels import to_eight_bit

LONGEST = 2048
"""Pixels of a preview's longer side, at most."""


def write_previews(
    before: np.ndarray, after: np.ndarray, folder: Path, stem: str
) -> tuple[Path, Path]:
    """Both as 8-bit PNG files of one size: that of ``after``, or smaller.

    Args:
        before: (H, W) or (H, W, C); enlarged by bicubic interpolation.
        after: likewise, larger.
        folder: where the files go.
        stem: their names begin with it.
    """
    height, width = after.shape[:2]
    ratio = min(1.0, LONGEST / max(height, width))
    size = (max(1, round(width * ratio)), max(1, round(height * ratio)))
    paths = folder / f"{stem}-before.png", folder / f"{stem}-after.png"
    for image, path in zip((before, after), paths, strict=True):
        write_image(path, _resized(to_eight_bit(image), size))
    return paths


def _resized(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    if image.shape[1::-1] == size:
        return image
    planes = image[..., None] if image.ndim == 2 else image
    smaller = size[0] < planes.shape[1]
    way = cv2.INTER_AREA if smaller else cv2.INTER_CUBIC
    # Plane by plane: OpenCV takes any number of channels, but not each for each way.
    resized = [
        cv2.resize(np.ascontiguousarray(planes[..., c]), size, interpolation=way)
        for c in range(planes.shape[2])
    ]
    return resized[0] if image.ndim == 2 else np.dstack(resized)
