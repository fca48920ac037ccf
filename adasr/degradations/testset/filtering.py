"""Filters that give the same pixels on every machine: weights and sums are whole numbers."""

from __future__ import annotations

import cv2
import numpy as np
from torch import Tensor

_ONE = 2**16  # what weights are counted in
_ROWS = 512  # filtered at a time, so that memory does not grow with the image


def whole_weights(kernel: Tensor) -> np.ndarray:
    """(k, k) int64 weights of a non-negative (1, k, k) kernel that sums to 1."""
    return np.rint(kernel[0].double().numpy() * _ONE).astype(np.int64)


def filter_exactly(image: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Correlate with ``weights / weights.sum()`` and round; the border is reflected (dcb|abcd|cba).

    OpenCV filters in float64, directly or by a DFT: sums of products below 2^24 come out of both to
    better than half a unit, so that rounding makes them exact.

    Args:
        image: (H, W, C) uint8.
        weights: (k, k) whole numbers, k odd, none negative.

    Returns:
        (H, W, C) uint8.
    """
    reach, total = len(weights) // 2, int(weights.sum())
    kernel, result = weights.astype(np.float64), np.empty_like(image)
    height, width = image.shape[:2]
    columns = _reflected(np.arange(-reach, width + reach), width)
    for first in range(0, height, _ROWS):
        last = min(first + _ROWS, height)
        rows = _reflected(np.arange(first - reach, last + reach), height)
        for c in range(image.shape[2]):
            part = image[rows][:, columns, c].astype(np.float64)
            found = cv2.filter2D(part, -1, kernel, borderType=cv2.BORDER_CONSTANT)
            sums = np.rint(found[reach : reach + last - first, reach : reach + width])
            result[first:last, :, c] = (2 * sums.astype(np.int64) + total) // (2 * total)
    return result


def _reflected(index: np.ndarray, length: int) -> np.ndarray:
    """Indices folded into [0, length) by mirrors at the first and the last pixel."""
    if length == 1:
        return np.zeros_like(index)
    index = index % (2 * (length - 1))
    return np.minimum(index, 2 * (length - 1) - index)
