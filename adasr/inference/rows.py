"""Images as rows: where tiles come from and where they go, a file or an array."""

from __future__ import annotations

from typing import Protocol

import numpy as np


class Rows(Protocol):
    """An image (H, W, C) that is read from top to bottom; a ``data.rows`` source is one."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """(H, W, C)."""
        ...

    @property
    def dtype(self) -> np.dtype:
        """uint8, uint16 or a float in [0, 1]."""
        ...

    def rows(self, first: int, end: int) -> np.ndarray:
        """(end - first, W, C); ``first`` never decreases from call to call."""
        ...


class Sink(Protocol):
    """What takes the rows of an image from top to bottom; a ``data.rows`` sink is one."""

    def write(self, rows: np.ndarray) -> None:
        """(n, W, C)."""
        ...


class ArrayRows:
    """An array (H, W, C) as rows."""

    def __init__(self, image: np.ndarray) -> None:
        height, width, channels = image.shape
        self.shape = (height, width, channels)
        self.dtype = image.dtype
        self._image = image

    def rows(self, first: int, end: int) -> np.ndarray:
        """A view."""
        return self._image[first:end]


class ArraySink:
    """Rows put together into ``image``, (H, W, C)."""

    def __init__(self, shape: tuple[int, int, int], dtype: np.dtype) -> None:
        self.image = np.empty((0, *shape[1:]), dtype)
        self._shape, self._dtype, self._row = shape, dtype, 0

    def write(self, rows: np.ndarray) -> None:
        """(n, W, C)."""
        if rows.shape == self._shape:  # all at once: not copied
            self.image = rows
        elif self._row == 0:
            self.image = np.empty(self._shape, self._dtype)
        if self.image is not rows:
            self.image[self._row : self._row + len(rows)] = rows
        self._row += len(rows)
