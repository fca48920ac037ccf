"""What is asked of images as rows: where tiles come from and where they go."""

from __future__ import annotations

from typing import Protocol

import numpy as np


class Rows(Protocol):
    """An image (H, W, C) that is read from top to bottom; ``data.rows.RowSource`` is one."""

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
    """What takes the rows of an image from top to bottom; ``data.rows.RowSink`` is one."""

    def write(self, rows: np.ndarray) -> None:
        """(n, W, C)."""
        ...
