"""A file of decoded images: their pixels, then an index, then where the index begins.

The end is written last and the file gets its name only when it is whole, so what a kill leaves
never looks complete.
"""

from __future__ import annotations

import io
import mmap
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
    """A file of decoded images, mapped into memory.

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
        self._map()
        index_begin = int.from_bytes(bytes(self._bytes[-8:]), "little")
        if bytes(self._bytes[-_TAIL:-8]) != _MAGIC:
            raise ValueError("not whole")
        index = io.BytesIO(self._bytes[index_begin:-_TAIL].tobytes())
        try:
            with np.load(index, allow_pickle=False) as arrays:
                self._begins: np.ndarray = arrays["begins"]
                self.shapes: np.ndarray = arrays["shapes"]
                self.stamps: np.ndarray = arrays["stamps"]
                self.eight_bit = bool(arrays["eight_bit"])
                self.files = PathList.from_arrays(arrays)
        except Exception as error:  # whatever damaged bytes lead the reader to
            raise ValueError(f"damaged ({error})") from None

    def _map(self) -> None:
        with self.path.open("rb") as file:
            status = os.fstat(file.fileno())
            if status.st_size < _TAIL:
                raise ValueError("not whole")
            self._identity = status.st_size, status.st_mtime_ns
            self._file: BinaryIO | None = os.fdopen(os.dup(file.fileno()), "rb", buffering=0)
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self._bytes = np.frombuffer(mapped, np.uint8)

    def __getitem__(self, index: int) -> np.ndarray | None:
        """The pixels of an image, (H, W, 3) uint8, a read-only view; None where it holds none."""
        height, width = map(int, self.shapes[index])
        if height == 0:
            return None
        begin = int(self._begins[index])
        return self._bytes[begin : begin + height * width * CHANNELS].reshape(height, width, -1)

    def is_whole(self) -> bool:
        """Whether the file has still its size: to read beyond its end would kill the process."""
        file = self._file
        return file is not None and os.fstat(file.fileno()).st_size >= self._identity[0]

    def forget_sources(self) -> None:
        """Let go of what only opening needs: of a million images tens of megabytes."""
        self.files, self.stamps = PathList("", ()), np.zeros((0, 2), np.int64)

    def __getstate__(self) -> dict[str, Any]:
        return {key: v for key, v in self.__dict__.items() if key not in ("_bytes", "_file")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        try:
            self._map()
        except (OSError, ValueError):
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
