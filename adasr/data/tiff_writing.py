"""TIFF and BigTIFF written strip by strip."""

from __future__ import annotations

import struct
import zlib
from typing import Any, BinaryIO

import numpy as np

from .metadata import Metadata
from .tiff_tags import (
    LONG,
    LONG8,
    RATIONAL,
    SHORT,
    UNDEFINED,
    Directory,
    Layout,
    Value,
    pack_directory,
    told_tags,
)

_STRIP_BYTES = 2**18  # readers decode a strip at a time; larger ones save no more
_LARGEST_CLASSIC = 2**32 - 2**26  # of 32-bit offsets, some room for what is not compressible
_LEVEL = 5


class TiffWriter:
    """An image's rows as deflate-compressed strips; alpha is unassociated.

    A BigTIFF is written where the pixels might not fit the 4 GiB of a classic one.

    Args:
        file: open for writing at its beginning; seekable.
        shape: (H, W, C), C from 1 to 4.
        dtype: uint8, uint16 or float32.
        metadata: written into the tags.
    """

    def __init__(
        self,
        file: BinaryIO,
        shape: tuple[int, int, int],
        dtype: np.dtype[Any],
        metadata: Metadata,
    ) -> None:
        self._file, self._shape, self._metadata = file, shape, metadata
        self._stored = dtype.newbyteorder("<")
        row = shape[1] * shape[2] * dtype.itemsize
        self._layout = Layout(big=row * shape[0] > _LARGEST_CLASSIC)
        self._strip_rows = min(shape[0], max(1, _STRIP_BYTES // row))
        self._waiting: list[np.ndarray] = []
        self._offsets: list[int] = []
        self._lengths: list[int] = []
        if self._layout.big:
            file.write(struct.pack("<2sHHHQ", b"II", 43, 8, 0, 0))
        else:
            file.write(struct.pack("<2sHI", b"II", 42, 0))
        self._place = file.tell()

    def write(self, rows: np.ndarray) -> None:
        """Append (n, W, C)."""
        while len(rows):
            missing = self._strip_rows - sum(map(len, self._waiting))
            self._waiting.append(rows[:missing].copy() if len(rows) < missing else rows[:missing])
            rows = rows[missing:]
            if sum(map(len, self._waiting)) == self._strip_rows:
                self._write_strip()

    def finish(self) -> None:
        """Write the last strip and the tags."""
        if self._waiting:
            self._write_strip()
        self._file.write(bytes(self._place % 2))
        self._place += self._place % 2
        self._file.write(pack_directory(self._tags(), self._place, self._layout))
        self._file.seek(8 if self._layout.big else 4)
        self._file.write(struct.pack(self._layout.offset, self._place))

    def _write_strip(self) -> None:
        pixels = np.concatenate(self._waiting)
        if pixels.dtype.kind == "u":  # each value as the difference to its left neighbour
            pixels[:, 1:] -= pixels[:, :-1].copy()
        data = zlib.compress(np.ascontiguousarray(pixels, self._stored).data, _LEVEL)
        self._file.write(data)
        self._offsets.append(self._place)
        self._lengths.append(len(data))
        self._place += len(data)
        self._waiting = []

    def _tags(self) -> Directory:
        height, width, channels = self._shape
        whole = self._stored.kind == "u"
        tags = told_tags(self._metadata.exif) if self._metadata.exif else {}
        tags[256], tags[257] = self._numbers([width]), self._numbers([height])
        tags[258] = self._numbers([8 * self._stored.itemsize] * channels, SHORT)
        tags[259] = self._numbers([8], SHORT)  # deflate
        tags[262] = self._numbers([1 if channels <= 2 else 2], SHORT)  # gray, RGB
        tags[273], tags[279] = self._numbers(self._offsets), self._numbers(self._lengths)
        tags[277] = self._numbers([channels], SHORT)
        tags[278] = self._numbers([self._strip_rows])
        tags[284] = self._numbers([1], SHORT)  # colours interleaved
        tags[317] = self._numbers([2 if whole else 1], SHORT)
        tags[339] = self._numbers([1 if whole else 3] * channels, SHORT)
        if channels in (2, 4):
            tags[338] = self._numbers([2], SHORT)
        if self._metadata.dpi is not None:
            for tag, value in zip((282, 283), self._metadata.dpi, strict=True):
                pair = struct.pack("<II", min(round(value * 1000), 2**32 - 1), 1000)
                tags[tag] = Value(RATIONAL, 1, pair)
            tags[296] = self._numbers([2], SHORT)  # per inch
        if self._metadata.xmp is not None:
            tags[700] = Value(1, len(self._metadata.xmp), self._metadata.xmp)
        if self._metadata.icc is not None:
            tags[34675] = Value(UNDEFINED, len(self._metadata.icc), self._metadata.icc)
        return tags

    def _numbers(self, values: list[int], kind: int | None = None) -> Value:
        kind = kind or (LONG8 if self._layout.big else LONG)
        letter = {SHORT: "H", LONG: "I", LONG8: "Q"}[kind]
        data = struct.pack(f"<{len(values)}{letter}", *values)
        return Value(kind, len(values), data)
