"""A file of decoded images: their pixels, then an index, then where the index begins.

The end is written last and the file gets its name only when it is whole, so what a kill leaves
never looks complete.
"""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ..path_list import PathList
from .layout import CHANNELS

_MAGIC = b"adasrpx1"
_TAIL = len(_MAGIC) + 8


class PixelFile:
    """A file of decoded images.

    It is read by calls and not mapped: whoever reads a map beyond the end of a file that somebody
    cuts short is killed, and a check beforehand may always be a moment too early.

    Args:
        path: the file.

    Attributes:
        shapes: (N, 2) int32, height and width; 0 for an image that it does not hold.
        stamps: (N, 2) int64, size and time of change of the image files (see ``stamps_of``).
        eight_bit: whether deeper images were reduced to 8 bits.
        files: the list of image files it was made of.

    Raises:
        OSError: missing or not readable.
        ValueError: not such a file, or not whole.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._open()
        length = self._identity[0]
        tail = self._bytes(length - _TAIL, _TAIL) if length >= _TAIL else None
        if tail is None or tail[: len(_MAGIC)].tobytes() != _MAGIC:
            raise ValueError("not whole")
        index_begin = int.from_bytes(tail[-8:].tobytes(), "little")
        index = self._bytes(index_begin, max(0, length - _TAIL - index_begin))
        try:
            with np.load(io.BytesIO(index.tobytes()), allow_pickle=False) as arrays:  # type: ignore[union-attr]
                self._begins: np.ndarray = arrays["begins"]
                self.shapes: np.ndarray = arrays["shapes"]
                self.stamps: np.ndarray = arrays["stamps"]
                self.eight_bit = bool(arrays["eight_bit"])
                self.files = PathList.from_arrays(arrays)
        except Exception as error:  # whatever damaged bytes lead the reader to
            raise ValueError(f"damaged ({error})") from None

    def _open(self) -> None:
        self._lock = threading.Lock()
        self._file: BinaryIO | None = self.path.open("rb", buffering=0)
        status = os.fstat(self._file.fileno())
        self._identity = status.st_size, status.st_mtime_ns

    def image(self, index: int) -> np.ndarray | None:
        """A whole image, (H, W, 3) uint8; None where the file does not hold it, see ``rows``."""
        height = int(self.shapes[index, 0])
        return self.rows(index, 0, height) if height else None

    def rows(self, index: int, first: int, end: int) -> np.ndarray | None:
        """Rows of an image, (end - first, W, 3) uint8; None where the file is cut short or gone."""
        width = int(self.shapes[index, 1])
        begin = int(self._begins[index]) + first * width * CHANNELS
        pixels = self._bytes(begin, (end - first) * width * CHANNELS)
        return pixels if pixels is None else pixels.reshape(end - first, width, CHANNELS)

    def _bytes(self, begin: int, count: int) -> np.ndarray | None:
        buffer, done = np.empty(count, np.uint8), 0
        while done < count:
            read = self._read_into(memoryview(buffer.data)[done:], begin + done)
            if read <= 0:
                return None
            done += read
        return buffer

    def _read_into(self, buffer: memoryview, begin: int) -> int:
        if self._file is None:
            return 0
        try:
            if hasattr(os, "preadv"):  # forked processes share the file, and its place
                return os.preadv(self._file.fileno(), [buffer], begin)
            with self._lock:
                self._file.seek(begin)
                return self._file.readinto(buffer)  # type: ignore[attr-defined]
        except OSError:
            return 0

    def forget_sources(self) -> None:
        """Let go of what only opening needs: of a million images tens of megabytes."""
        self.files, self.stamps = PathList("", ()), np.zeros((0, 2), np.int64)

    def __getstate__(self) -> dict[str, Any]:
        return {key: v for key, v in self.__dict__.items() if key not in ("_lock", "_file")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        try:
            self._open()
        except OSError:
            self._file = None
        if self._identity != state["_identity"]:  # replaced since
            self._file = None


class PixelWriter:
    """Writes a file of decoded images; threads may ``put`` at once.

    Args:
        file: open for writing, empty.
        begins: (N + 1,) where each image's bytes begin and the last one's end.
    """

    def __init__(self, file: BinaryIO, begins: np.ndarray) -> None:
        self._file, self._begins, self._lock = file, begins, threading.Lock()
        self._shapes = np.zeros((len(begins) - 1, 2), np.int32)

    def put(self, index: int, image: np.ndarray) -> None:
        """Write an image (H, W, 3) uint8 that fits its place."""
        pixels = np.ascontiguousarray(image)
        with self._lock:
            self._file.seek(int(self._begins[index]))
            self._file.write(pixels.data)
        self._shapes[index] = image.shape[:2]

    def finish(self, files: PathList, stamps: np.ndarray, eight_bit: bool) -> None:
        """Write the index; without it the file is worth nothing."""
        arrays: Mapping[str, np.ndarray] = {
            "begins": self._begins,
            "shapes": self._shapes,
            "stamps": stamps,
            "eight_bit": np.array(eight_bit),
            **files.arrays(),
        }
        begin = int(self._begins[-1])
        self._file.seek(begin)
        np.savez(self._file, **arrays)  # type: ignore[arg-type]
        self._file.seek(0, io.SEEK_END)
        self._file.write(_MAGIC + begin.to_bytes(8, "little"))


def stamps_of(files: PathList) -> np.ndarray:
    """Size and time of change of every file, (N, 2) int64; -1 for one that is not there."""
    stamps = np.full((len(files), 2), -1, np.int64)
    for root, first, end in files.folders():
        place = f"{root}{os.sep}"
        for index in range(first, end):
            try:
                status = os.stat(place + files.name(index))  # noqa: PTH116  a million times
            except OSError:
                continue
            stamps[index] = status.st_size, status.st_mtime_ns
    return stamps
