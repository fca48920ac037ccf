"""A scale other than the network's: its output resampled, band by band."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image

from ..data.rows import ArraySink
from .rows import Sink

_STEP_VALUES = 2**24  # of the input at a time: several copies of them are made, also in floats
_LOBES = 3  # of the Lanczos kernel: how many pixels of the coarser image it looks at on each side


def rescale(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(H, W, C) resampled to ``size`` (height, width); see ``RescaledSink``."""
    sink = ArraySink((*size, image.shape[2]), image.dtype)
    height, width, channels = image.shape
    RescaledSink(sink, (height, width, channels), size).write(image)
    return sink.image


class RescaledSink:
    """Takes an image's rows and gives those of the same image in another size.

    Resampled with Pillow's Lanczos kernel, which is antialiased where it reduces. It makes no
    difference in which portions the rows come. Only the rows that are still needed are held.

    Args:
        sink: is given rows of ``size``.
        shape: (H, W, C) of what is written here.
        size: (height, width) of the result.
    """

    def __init__(self, sink: Sink, shape: tuple[int, int, int], size: tuple[int, int]) -> None:
        self._sink, self._size = sink, size
        self._height, self._width, self._channels = shape
        self._step = self._height / size[0]  # rows of the input in one of the output
        self._held: np.ndarray | None = None
        self._first = 0  # the row that the held ones begin with
        self._done = 0  # rows of the output that are written

    def write(self, rows: np.ndarray) -> None:
        """(n, W, C) uint8, uint16 or float."""
        step = max(1, _STEP_VALUES // (self._width * self._channels))
        for first in range(0, len(rows), step):
            self._write(rows[first : first + step])

    def _write(self, rows: np.ndarray) -> None:
        held = rows if self._held is None else np.concatenate((self._held, rows))
        end = self._first + len(held)
        support = _LOBES * max(self._step, 1.0) + 1
        ready = self._size[0]
        if end < self._height:
            ready = max(self._done, math.floor((end - support) / self._step))
        if ready > self._done:
            self._sink.write(self._resampled(held, self._done, ready))
            self._done = ready
        unneeded = max(0, math.floor(self._done * self._step - support) - self._first)
        # A copy, so that the band it was cut from can go.
        self._held = held[unneeded:].copy()
        self._first += min(unneeded, len(held))

    def _resampled(self, held: np.ndarray, start: int, stop: int) -> np.ndarray:
        """Rows ``start`` to ``stop`` of the output."""
        top = max(0.0, start * self._step - self._first)
        bottom = min(float(len(held)), stop * self._step - self._first)
        box, size = (0.0, top, float(self._width), bottom), (self._size[1], stop - start)
        planes = [
            _resized(np.ascontiguousarray(held[..., channel]), size, box)
            for channel in range(self._channels)
        ]
        return np.stack(planes, axis=2)


def _resized(
    plane: np.ndarray, size: tuple[int, int], box: tuple[float, float, float, float]
) -> np.ndarray:
    """The part ``box`` (left, top, right, bottom) of a plane, in ``size`` (width, height)."""
    # In floats also for 8 bits: Pillow chooses by the size which axis comes first, and in 8 bits
    # what is clipped between the two would differ from portion to portion.
    values = Image.fromarray(plane.astype(np.float32))
    resized = np.asarray(values.resize(size, Image.Resampling.LANCZOS, box))
    if plane.dtype.kind == "u":
        return resized.clip(0, np.iinfo(plane.dtype).max).round().astype(plane.dtype)
    return resized.clip(0, 1).astype(plane.dtype)
