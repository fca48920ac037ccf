"""PNG written row by row, and its chunks of metadata."""

from __future__ import annotations

import struct
import zlib
from typing import Any, BinaryIO

import numpy as np

from .metadata import Metadata

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}
_LEVEL = 4  # of zlib; more takes twice the time for a few percent
_SLAB_BYTES = 2**22  # filtered at a time
_SUB, _UP = 1, 2
_LONG_TEXT = 1024  # bytes from which on it is compressed


def chunk(name: bytes, data: bytes) -> bytes:
    """A chunk: length, name, data, checksum."""
    checksum = zlib.crc32(data, zlib.crc32(name))
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", checksum)


def metadata_chunks(metadata: Metadata) -> bytes:
    """What stands between a PNG's header and its pixels."""
    data = b""
    if metadata.icc is not None:
        data += chunk(b"iCCP", b"ICC Profile\0\0" + zlib.compress(metadata.icc))
    if metadata.dpi is not None:
        across, down = (min(round(value / 0.0254), 2**31 - 1) for value in metadata.dpi)
        data += chunk(b"pHYs", struct.pack(">IIB", across, down, 1))
    if metadata.exif is not None:
        data += chunk(b"eXIf", metadata.exif)
    if metadata.xmp is not None:
        data += chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + metadata.xmp)
    return data + b"".join(text_chunk(keyword, text) for keyword, text in metadata.text)


def text_chunk(keyword: str, text: str) -> bytes:
    """A chunk of Latin-1 where that holds the text, else of UTF-8; nothing if PNG has none for it.

    Args:
        keyword: 1 to 79 characters of Latin-1.
        text: without zeros.
    """
    name = keyword.encode("latin-1", "replace")
    if not 1 <= len(name) <= 79 or "\0" in keyword + text:
        return b""
    try:
        plain = text.encode("latin-1")
    except UnicodeEncodeError:
        return chunk(b"iTXt", name + b"\0\1\0\0\0" + zlib.compress(text.encode("utf-8", "replace")))
    if len(plain) > _LONG_TEXT:
        return chunk(b"zTXt", name + b"\0\0" + zlib.compress(plain))
    return chunk(b"tEXt", name + b"\0" + plain)


class PngWriter:
    """An image's rows as one compressed stream; rows are filtered by their left or upper pixels.

    Args:
        file: open for writing.
        shape: (H, W, C), C from 1 to 4.
        dtype: uint8 or uint16.
        metadata: written before the pixels.
    """

    def __init__(
        self,
        file: BinaryIO,
        shape: tuple[int, int, int],
        dtype: np.dtype[Any],
        metadata: Metadata,
    ) -> None:
        height, width, channels = shape
        self._file, self._step = file, channels * dtype.itemsize
        self._row = width * self._step
        self._above = np.zeros((1, self._row), np.uint8)
        self._stream = zlib.compressobj(_LEVEL)
        colour = _COLOUR_TYPES[channels]
        head = struct.pack(">IIBBBBB", width, height, 8 * dtype.itemsize, colour, 0, 0, 0)
        file.write(SIGNATURE + chunk(b"IHDR", head) + metadata_chunks(metadata))

    def write(self, rows: np.ndarray) -> None:
        """Append (n, W, C)."""
        slab = max(1, _SLAB_BYTES // self._row)
        for first in range(0, len(rows), slab):
            part = rows[first : first + slab]
            if part.dtype != np.uint8:
                part = part.astype(">u2")
            part = np.ascontiguousarray(part).view(np.uint8).reshape(len(part), self._row)
            self._put(self._stream.compress(self._filtered(part).data))

    def finish(self) -> None:
        """Write the end of the stream and of the file."""
        self._put(self._stream.flush())
        self._file.write(chunk(b"IEND", b""))

    def _filtered(self, rows: np.ndarray) -> np.ndarray:
        left = rows.copy()
        left[:, self._step :] -= rows[:, : -self._step]
        up = rows - np.concatenate([self._above, rows[:-1]])
        self._above = rows[-1:].copy()
        use_up = _magnitude(up) < _magnitude(left)
        filtered = np.empty((len(rows), 1 + self._row), np.uint8)
        filtered[:, 0] = np.where(use_up, _UP, _SUB)
        filtered[:, 1:] = np.where(use_up[:, None], up, left)
        return filtered

    def _put(self, data: bytes) -> None:
        if data:
            self._file.write(chunk(b"IDAT", data))


def _magnitude(differences: np.ndarray) -> np.ndarray:
    """How far a row's differences are from 0, modulo 256: small ones compress well."""
    return np.minimum(differences, -differences).sum(axis=1, dtype=np.int64)
