"""Tiles blended where they overlap, for networks whose tiles cannot be exact."""

from __future__ import annotations

import numpy as np

from .tiles import Span


def ramp(span: Span, feather: int, length: int, upscale: int) -> np.ndarray:
    """Weights of a tile along one axis, in pixels of the output; those of neighbours add up to 1.

    They rise linearly over ``feather`` pixels of the input on both sides of a tile's edge, except
    at the edges of the image. ``span.widened(feather)`` is where they are above zero.
    """
    start, stop = span.widened(feather)
    weights = np.ones((stop - start) * upscale, np.float32)
    slope = (np.arange(2 * feather * upscale, dtype=np.float32) + 0.5) / (2 * feather * upscale)
    if span.start > 0:
        weights[: len(slope)] *= slope
    if span.stop < length:
        weights[-len(slope) :] *= slope[::-1]
    return weights


class Blender:
    """Sums weighted tiles of one band after the other.

    Args:
        height, width: of the input, in pixels.
        channels: of the output.
        upscale: how much larger the output is.
        feather: pixels of the input on both sides of an edge that are blended; 2 ``feather`` is at
            most a tile's side and ``feather`` at most its overlap.
    """

    def __init__(self, height: int, width: int, channels: int, upscale: int, feather: int) -> None:
        self._height, self._width, self._channels = height, width, channels
        self._upscale, self._feather = upscale, feather
        self._carry = np.zeros((0, width * upscale, channels), np.float32)
        self._sums = self._carry

    def begin(self, band: Span) -> None:
        """A new band, or the same once more; the one before was finished."""
        self._sums = self._carry  # before there are new ones
        first, last = band.widened(self._feather)
        shape = ((last - first) * self._upscale, self._width * self._upscale, self._channels)
        self._sums = np.zeros(shape, np.float32)
        self._sums[: len(self._carry)] = self._carry

    def add(self, band: Span, columns: Span, values: np.ndarray) -> None:
        """A tile's output (h, w, C) float32, widened by ``feather`` along both axes."""
        down = ramp(band, self._feather, self._height, self._upscale)
        across = ramp(columns, self._feather, self._width, self._upscale)
        left = columns.widened(self._feather)[0] * self._upscale
        weighted = values * down[:, None, None] * across[:, None]
        self._sums[:, left : left + values.shape[1]] += weighted

    def finish(self, band: Span) -> np.ndarray:
        """The rows that no later band adds to; the others are kept for the next."""
        kept = 2 * self._feather * self._upscale if band.stop < self._height else 0
        done = len(self._sums) - kept
        finished, self._carry = self._sums[:done], self._sums[done:].copy()
        self._sums = self._carry
        return finished
