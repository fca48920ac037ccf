"""Rows into image files that are whole or not there."""

from __future__ import annotations

import contextlib
import errno
import shutil
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from ...errors import ImageWriteError
from ...files import atomic_path
from ...memory import free_memory
from ..encoding import check_writable
from ..metadata import Metadata
from ..pictures import unwritable, write_picture
from ..png_writing import PngWriter
from ..tiff_writing import TiffWriter
from .protocols import RowSink

_WRITERS = {".png": PngWriter, ".tif": TiffWriter, ".tiff": TiffWriter}
_SURE_SHARE = 0.2  # of the pixels' bytes that a lossless file of a photograph takes at least
_SMALL = 2**26  # bytes; the space for less is not asked about
_MEMORY_SHARE = 0.5
_COPIES = 2  # of the pixels, while they are encoded whole


class ArraySink:
    """Rows into an array in memory: ``image`` when all are written."""

    def __init__(self, shape: tuple[int, int, int], dtype: Any) -> None:
        self.shape, self.dtype = shape, np.dtype(dtype)
        self.image = np.empty(shape, dtype)
        self._done = 0

    def write(self, rows: np.ndarray) -> None:
        """See ``RowSink``."""
        _check_rows(rows, self.shape, self.dtype, self._done)
        self.image[self._done : self._done + len(rows)] = rows
        self._done += len(rows)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            _check_whole(self._done, self.shape)


class FileSink:
    """Rows into a PNG or TIFF file, written as they come."""

    def __init__(
        self, path: Path, shape: tuple[int, int, int], dtype: np.dtype[Any], metadata: Metadata
    ) -> None:
        self.shape, self.dtype = shape, dtype
        self._path, self._metadata, self._done = path, metadata, 0
        self._stack = contextlib.ExitStack()

    def write(self, rows: np.ndarray) -> None:
        """See ``RowSink``."""
        _check_rows(rows, self.shape, self.dtype, self._done)
        try:
            self._writer.write(rows)
        except OSError as error:
            raise unwritable(self._path, error) from error
        self._done += len(rows)

    def __enter__(self) -> Self:
        try:
            temporary = self._stack.enter_context(atomic_path(self._path))
            file = self._stack.enter_context(temporary.open("wb"))
            writer = _WRITERS[self._path.suffix.lower()]
            self._writer = writer(file, self.shape, self.dtype, self._metadata)
        except OSError as error:
            self._stack.__exit__(type(error), error, error.__traceback__)
            raise unwritable(self._path, error) from error
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is not None:
            self._stack.__exit__(kind, error, trace)
            return
        try:
            with self._stack:
                _check_whole(self._done, self.shape)
                self._writer.finish()
        except OSError as fault:
            raise unwritable(self._path, fault) from fault


class PictureSink(ArraySink):
    """Rows into a file of a format that is encoded whole."""

    def __init__(
        self,
        path: Path,
        shape: tuple[int, int, int],
        dtype: np.dtype[Any],
        metadata: Metadata,
        quality: int | None,
    ) -> None:
        size = int(np.prod(shape)) * _COPIES
        if size > free_memory() * _MEMORY_SHARE:
            problem = f"does not fit in memory, which '{path.suffix}' needs ({size >> 20} MiB)"
            raise ImageWriteError(path, problem, "Write .png or .tif, which are written by rows.")
        super().__init__(shape, dtype)
        self._path, self._metadata, self._quality = path, metadata, quality

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        super().__exit__(kind, error, trace)
        if kind is None:
            write_picture(self._path, self.image, self._metadata, self._quality)


def open_sink(
    path: str | Path,
    shape: tuple[int, int, int],
    dtype: Any,
    metadata: Metadata | None = None,
    quality: int | None = None,
) -> RowSink:
    """An image file to write row by row; see ``write_picture`` for what formats hold.

    PNG and TIFF need memory for the rows at hand only; a TIFF that may pass 4 GiB is a BigTIFF. The
    other formats are collected and encoded whole.

    Args:
        path: its suffix names the format; missing folders are made.
        shape: (H, W, C) of the whole image.
        dtype: uint8, uint16 or float32.
        metadata: from ``read_picture`` or a ``RowSource``.
        quality: of lossy formats.

    Raises:
        ImageWriteError: the format cannot hold such an image, memory does not hold it where it
            must, or the disk has no space for it, then its cause is an OSError of ENOSPC.
    """
    path, dtype = Path(path), np.dtype(dtype)
    check_writable(path, shape, dtype, quality)
    metadata = (metadata or Metadata()).fitting(*shape)
    if path.suffix.lower() not in _WRITERS:
        return PictureSink(path, shape, dtype, metadata, quality)
    _check_space(path, int(np.prod(shape)) * dtype.itemsize)
    return FileSink(path, shape, dtype, metadata)


def _check_space(path: Path, size: int) -> None:
    if size < _SMALL:
        return
    folder = next(folder for folder in path.absolute().parents if folder.exists())
    free, needed = shutil.disk_usage(folder).free, int(size * _SURE_SHARE)
    if free < needed:
        problem = f"needs at least {needed >> 20} MiB, of which {free >> 20} are free"
        cause = OSError(errno.ENOSPC, "No space left on device", str(path))
        raise ImageWriteError(path, problem, "Free some space or choose another place.") from cause


def _check_rows(
    rows: np.ndarray, shape: tuple[int, int, int], dtype: np.dtype[Any], done: int
) -> None:
    if rows.shape[1:] != shape[1:] or rows.dtype != dtype or done + len(rows) > shape[0]:
        raise ValueError(f"{rows.shape} of {rows.dtype} after {done} rows of {shape} of {dtype}")


def _check_whole(done: int, shape: tuple[int, int, int]) -> None:
    if done != shape[0]:
        raise ValueError(f"only {done} of {shape[0]} rows were written")
