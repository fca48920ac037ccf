"""Resizing: Real-ESRGAN's three modes on a part of an image, and the bicubic of Pillow.

The weights are those of ``torch.nn.functional.interpolate`` without antialiasing. Rows and columns
are resized one after the other, any part of the result from the part of the image it hangs on.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .compiled import compiled
from .regions import Region, Span

MODES = ("area", "bilinear", "bicubic")
_A = np.float32(-0.75)  # of the cubic convolution


@dataclass(frozen=True)
class Axis:
    """How one axis is resized.

    Args:
        length: pixels before.
        target: pixels after.
        mode: "area", "bilinear" or "bicubic" (may overshoot).
        factor: nominal factor that places the samples; None takes the quotient of the lengths.
            "area" always does.
    """

    length: int
    target: int
    mode: str
    factor: float | None = None

    @property
    def is_identity(self) -> bool:
        """Whether nothing changes: an axis that keeps its length, whatever the factor.

        But for "bicubic", which ``interpolate`` shifts then too.
        """
        keeps = self.mode != "bicubic" or self.factor in (None, 1.0)
        return keeps and self.length == self.target

    def before(self, span: Span) -> Span:
        """The pixels that a part of the result hangs on."""
        source, _ = self.taps(span)
        return int(source[0, 0]), int(source[-1, -1]) + 1

    def taps(self, span: Span) -> tuple[np.ndarray, np.ndarray]:
        """(n, t) pixels, rising, and their float32 weights, for a part of the result."""
        if self.is_identity:
            return np.arange(*span)[:, None], np.ones((span[1] - span[0], 1), np.float32)
        return _taps(self, span)


@lru_cache(maxsize=64)
def _taps(axis: Axis, span: Span) -> tuple[np.ndarray, np.ndarray]:
    if axis.mode == "area":
        return _area_taps(axis.length, axis.target, *span)
    # Rounded to float32 where interpolate rounds (it multiplies and adds in one go): positions, and
    # which pixels they fall between, are then the same to the last bit.
    if axis.factor is None:
        step = np.float32(axis.length) / np.float32(axis.target)
    else:
        step = np.float32(1 / axis.factor)
    return _point_taps(axis.length, float(step), axis.mode == "bicubic", *span)


@compiled
def _area_taps(length, target, start, end):
    """As many taps for each pixel as the longest has; those beyond its own weigh nothing."""
    most = 0
    for i in range(start, end):
        most = max(most, -(-(i + 1) * length // target) - i * length // target)
    source = np.empty((end - start, most), np.int64)
    weights = np.zeros((end - start, most), np.float32)
    for i in range(start, end):
        first = i * length // target
        count = -(-(i + 1) * length // target) - first
        for t in range(most):
            source[i - start, t] = min(first + t, length - 1)
            if t < count:
                weights[i - start, t] = 1.0 / count
    return source, weights


@compiled
def _point_taps(length, step, cubic, start, end):
    """Of bilinear or bicubic interpolation; taps beyond the border count for the border."""
    source = np.empty((end - start, 4 if cubic else 2), np.int64)
    weights = np.empty(source.shape, np.float32)
    one = np.float32(1)
    for i in range(start, end):
        place = np.float32((i + 0.5) * step - 0.5)
        if not cubic:
            place = max(place, np.float32(0))
        first = min(int(np.floor(place)), length - 1)
        t = min(max(place - np.float32(first), np.float32(0)), one)
        line = weights[i - start]
        if cubic:
            first -= 1
            line[0], line[1] = _far(t + one), _near(t)
            line[2], line[3] = _near(one - t), _far(np.float32(2) - t)
        else:
            line[0], line[1] = one - t, t
        for k in range(source.shape[1]):
            source[i - start, k] = min(max(first + k, 0), length - 1)
    return source, weights


@compiled
def _near(x):
    return ((_A + np.float32(2)) * x - (_A + np.float32(3))) * x * x + np.float32(1)


@compiled
def _far(x):
    return ((_A * x - np.float32(5) * _A) * x + np.float32(8) * _A) * x - np.float32(4) * _A


def resize(image: Tensor, rows: Axis, columns: Axis, have: Region, want: Region) -> Tensor:
    """A part of a resized frame from a part of the frame.

    Args:
        image: (C, H, W) float32 on the CPU that covers ``have``.
        rows: how the rows are resized.
        columns: how the columns are resized.
        have: contains what ``rows.before`` and ``columns.before`` say of ``want``.
        want: region of the result.

    Returns:
        (C, h, w).
    """
    result = torch.empty(image.shape[0], *want.size)
    down, across = rows.taps(want.rows), columns.taps(want.columns)
    corner = have.rows[0], have.columns[0]
    _resize(image.contiguous().numpy(), *corner, *down, *across, result.numpy())
    return result


@compiled
def _resize(image, top, left, above, row_weights, aside, column_weights, result):
    """Weighted sums of rows, and of each of these, weighted sums of columns.

    Taps without weight may lie outside of the image, whose first pixel is (top, left).
    """
    channels, height, width = result.shape
    n = image.shape[2]
    line = np.empty(n, np.float32)
    places = np.empty((aside.shape[1], width), np.int64)
    weights = np.empty(places.shape, np.float32)
    for t in range(len(places)):
        for x in range(width):
            places[t, x] = min(max(aside[x, t] - left, 0), n - 1)
            weights[t, x] = column_weights[x, t]
    for c in range(channels):
        for y in range(height):
            row, weight = image[c, above[y, 0] - top], row_weights[y, 0]
            for x in range(n):
                line[x] = weight * row[x]
            for t in range(1, above.shape[1]):
                weight = row_weights[y, t]
                if weight != 0:
                    row = image[c, above[y, t] - top]
                    for x in range(n):
                        line[x] += weight * row[x]
            target = result[c, y]
            at, share = places[0], weights[0]
            for x in range(width):
                target[x] = share[x] * line[at[x]]
            for t in range(1, len(places)):
                at, share = places[t], weights[t]
                for x in range(width):
                    target[x] += share[x] * line[at[x]]


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
