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

from .regions import Span

MODES = ("area", "bilinear", "bicubic")
_A = np.float32(-0.75)  # of the cubic convolution
_BLOCK = 32  # columns of a matrix product: few enough to leave out most of the zeros


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
        return int(source[0, 0]), int(source[-1].max()) + 1

    def taps(self, span: Span) -> tuple[np.ndarray, np.ndarray]:
        """(n, t) pixels, rising, and their float32 weights, for a part of the result."""
        if self.is_identity:
            return np.arange(*span)[:, None], np.ones((span[1] - span[0], 1), np.float32)
        return _taps(self, span)


@lru_cache(maxsize=64)
def _taps(axis: Axis, span: Span) -> tuple[np.ndarray, np.ndarray]:
    if axis.mode == "area":
        first, weights = _area(axis, span)
    else:
        # Rounded to float32 where interpolate rounds (it multiplies and adds in one go): positions,
        # and which pixels they fall between, are then the same to the last bit.
        if axis.factor is None:
            step = np.float32(axis.length) / np.float32(axis.target)
        else:
            step = np.float32(1 / axis.factor)
        place = ((np.arange(*span) + 0.5) * np.float64(step) - 0.5).astype(np.float32)
        if axis.mode == "bilinear":
            place = np.maximum(place, np.float32(0))
        first = np.minimum(np.floor(place).astype(np.int64), axis.length - 1)
        t = np.clip(place - first.astype(np.float32), 0, 1)
        if axis.mode == "bilinear":
            weights = np.stack([1 - t, t], 1)
        else:
            first = first - 1
            weights = np.stack([_far(t + 1), _near(t), _near(1 - t), _far(2 - t)], 1)
    # Taps beyond the border count for the border.
    source = np.clip(first[:, None] + np.arange(weights.shape[1]), 0, axis.length - 1)
    return source, weights


def _area(axis: Axis, span: Span) -> tuple[np.ndarray, np.ndarray]:
    index = np.arange(*span)
    first = index * axis.length // axis.target
    end = -(-(index + 1) * axis.length // axis.target)
    count = (end - first)[:, None]
    # Up to the last tap that counts, so that none asks for a pixel that is not needed.
    taps = np.arange(int(count.max()))
    return first, ((taps < count) / count).astype(np.float32)


def resize_rows(image: Tensor, axis: Axis, have: Span, want: Span) -> Tensor:
    """(C, h, W) from (C, H, W): a weighted sum of rows for each row.

    Args:
        image: float32, on the CPU, whose rows are ``have`` of the frame.
        axis: how the rows are resized.
        have: contains ``axis.before(want)``.
        want: rows of the result.
    """
    source, weights = axis.taps(want)
    rows = torch.from_numpy((source - have[0]).clip(0, have[1] - have[0] - 1).T.copy())
    result = None
    for index, weight in zip(rows, torch.from_numpy(weights).T[..., None], strict=True):
        part = image.index_select(1, index).mul_(weight)
        result = part if result is None else result.add_(part)
    assert result is not None
    return result


def resize_columns(image: Tensor, axis: Axis, have: Span, want: Span) -> Tensor:
    """(C, H, w) from (C, H, W): matrix products, each of the columns that some columns hang on.

    Arguments as for ``resize_rows``, for columns.
    """
    source, weights = axis.taps(want)
    source = (source - have[0]).clip(0, have[1] - have[0] - 1)
    c, h, w = image.shape
    image = image.contiguous().view(c * h, w)
    table = np.zeros((w, len(source)), np.float32)
    places = np.arange(len(source))
    for index, weight in zip(source.T, weights.T, strict=True):
        table[index, places] += weight
    matrix, low, high = torch.from_numpy(table), source[:, 0].tolist(), source.max(1).tolist()
    result = image.new_empty(c * h, len(source))
    for start in range(0, len(source), _BLOCK):
        end = min(start + _BLOCK, len(source))
        taps = slice(low[start], high[end - 1] + 1)
        torch.mm(image[:, taps], matrix[taps, start:end], out=result[:, start:end])
    return result.view(c, h, -1)


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


def _near(x: np.ndarray) -> np.ndarray:
    return ((_A + 2) * x - (_A + 3)) * x * x + 1


def _far(x: np.ndarray) -> np.ndarray:
    return ((_A * x - 5 * _A) * x + 8 * _A) * x - 4 * _A
