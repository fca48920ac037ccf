"""Images that may be too large for memory, as rows from top to bottom."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Protocol, Self

import numpy as np

from ..metadata import Metadata


class RowSource(Protocol):
    """An image read from top to bottom; a context manager.

    Attributes:
        shape: (H, W, C).
        dtype: uint8, uint16 or float32.
        metadata: what the file says beside its pixels.
    """

    shape: tuple[int, int, int]
    dtype: np.dtype[Any]
    metadata: Metadata

    def rows(self, first: int, end: int) -> np.ndarray:
        """Rows ``first`` to ``end``, (end - first, W, C), not to be written to.

        ``first`` must not decrease from call to call: rows before it are forgotten.

        Raises:
            ImageReadError: the file is damaged or cut off there.
            ValueError: rows that are forgotten or outside.
        """
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


class RowSink(Protocol):
    """An image written from top to bottom; a context manager.

    The file appears, whole, when the ``with`` block ends without an error and all rows were
    written; otherwise nothing appears and a file that was there before stays.
    """

    shape: tuple[int, int, int]
    dtype: np.dtype[Any]

    def write(self, rows: np.ndarray) -> None:
        """Append (n, W, C) of the sink's dtype below what is written.

        Raises:
            ImageWriteError: the system's reason (no space, no permission).
            ValueError: rows of another width or dtype, or too many.
        """
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...
