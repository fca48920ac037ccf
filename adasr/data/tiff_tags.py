"""The directories of TIFF files and of EXIF, which is one: read, chosen from, written.

Pillow knows them too, but only classic ones, of whole images. Values are kept as little-endian
bytes, the order that everything is written in: some readers get big-endian floats wrong.
"""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

SHORT, LONG, RATIONAL, UNDEFINED, LONG8 = 3, 4, 5, 7, 16
# Bytes of a value of each kind, and of the numbers in it (a rational holds two).
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_SIZES |= {LONG8: 8, 17: 8, 18: 8}
_WIDTHS = {3: 2, 4: 4, 5: 4, 8: 2, 9: 4, 10: 4, 11: 4, 12: 8, 13: 4, LONG8: 8, 17: 8, 18: 8}
_DESCRIPTION = 270
_SUB_DIRECTORIES = {0x8769, 0x8825, 0xA005}  # EXIF, GPS, interoperability
# Descriptive ones; the others say how the pixels are stored. 0x9C9B and on are Windows' titles.
_TOLD = {_DESCRIPTION, 271, 272, 274, 305, 306, 315, 316, 33432, 0x4746, 0x8769, 0x8825}
_TOLD |= set(range(0x9C9B, 0x9CA0))
_LARGEST = 2**24  # bytes of one value; more is damage


@dataclass(frozen=True)
class Layout:
    """How numbers stand in a TIFF: byte order ("<" or ">") and whether it is a BigTIFF."""

    order: str = "<"
    big: bool = False

    @property
    def word(self) -> int:
        """Bytes of an offset."""
        return 8 if self.big else 4

    @property
    def head(self) -> str:
        """Of a directory: how many entries."""
        return f"{self.order}{'Q' if self.big else 'H'}"

    @property
    def entry(self) -> str:
        """Tag, kind, count; the value follows."""
        return f"{self.order}HH{self.offset[1:]}"

    @property
    def offset(self) -> str:
        """An offset."""
        return f"{self.order}{'Q' if self.big else 'I'}"


@dataclass(frozen=True)
class Value:
    """A tag's value: a kind of number, how many of them, and their bytes or a directory."""

    kind: int
    count: int
    data: bytes | Directory


Directory = dict[int, Value]


def told_tags(exif: bytes) -> Directory:
    """The tags of EXIF that a TIFF file can take over; none of damaged EXIF."""
    file = io.BytesIO(exif)
    try:
        return _told(_read(file, *_header(file)))
    except (struct.error, ValueError):
        return {}


def exif_of_tiff(file: BinaryIO) -> bytes | None:
    """What the first image of a TIFF file tells as EXIF, None where it tells nothing."""
    try:
        tags = _told(_read(file, *_header(file)))
    except (struct.error, ValueError):
        return None
    description = tags.get(_DESCRIPTION)
    if description is not None and _is_of_a_stack(description):
        del tags[_DESCRIPTION]
    if not tags:
        return None
    return struct.pack("<2sHI", b"II", 42, 8) + pack_directory(tags, 8, Layout())


def bytes_of_tag(file: BinaryIO, tag: int) -> bytes | None:
    """A tag's value in the first image of a TIFF file, little-endian; None where it is missing."""
    try:
        value = _read(file, *_header(file), wanted={tag}).get(tag)
    except (struct.error, ValueError):
        return None
    return value.data if value is not None and isinstance(value.data, bytes) else None


def numbers_of_tags(file: BinaryIO, wanted: set[int]) -> dict[int, int]:
    """The first whole number of each tag in a TIFF file's first image; none of damage."""
    try:
        tags = _read(file, *_header(file), wanted=wanted)
    except (struct.error, ValueError):
        return {}
    found: dict[int, int] = {}
    for tag, value in tags.items():
        letter = {SHORT: "H", LONG: "I", LONG8: "Q"}.get(value.kind)
        if letter is not None and isinstance(value.data, bytes):
            found[tag] = struct.unpack_from(f"<{letter}", value.data)[0]
    return found


def pack_directory(tags: Directory, start: int, layout: Layout) -> bytes:
    """A directory and its values as the bytes that stand at offset ``start`` of a file."""
    width = struct.calcsize(layout.entry) + layout.word
    after = start + struct.calcsize(layout.head) + width * len(tags) + layout.word
    table, values = bytearray(struct.pack(layout.head, len(tags))), bytearray()
    for tag, value in sorted(tags.items()):
        place = after + len(values)
        kind, data = value.kind, value.data
        if isinstance(data, dict):
            kind = LONG8 if layout.big else LONG
            values += pack_directory(data, place, layout)
            data = struct.pack(layout.offset, place)
        elif len(data) > layout.word:
            values += data
            data = struct.pack(layout.offset, place)
        values += bytes(len(values) % 2)  # values begin at even offsets
        table += struct.pack(layout.entry, tag, kind, value.count) + data.ljust(layout.word, b"\0")
    return bytes(table + bytes(layout.word) + values)


def _header(file: BinaryIO) -> tuple[Layout, int]:
    """A file's layout and where its first directory stands."""
    file.seek(0)
    head = file.read(16)
    order = {b"II": "<", b"MM": ">"}.get(head[:2])
    if order is None:
        raise ValueError("no TIFF")
    big = struct.unpack_from(f"{order}H", head, 2) == (43,)
    layout = Layout(order, big)
    return layout, struct.unpack_from(layout.offset, head, 8 if big else 4)[0]


def _read(
    file: BinaryIO, layout: Layout, start: int, depth: int = 0, wanted: set[int] = _TOLD
) -> Directory:
    file.seek(start)
    (count,) = struct.unpack(layout.head, file.read(struct.calcsize(layout.head)))
    width = struct.calcsize(layout.entry) + layout.word
    if count > 4096:
        raise ValueError("damaged directory")
    table = file.read(width * count)
    tags: Directory = {}
    for place in range(0, len(table), width):
        tag, kind, number = struct.unpack_from(layout.entry, table, place)
        length = _SIZES.get(kind, 0) * number
        data = table[place + width - layout.word : place + width]
        if tag in _SUB_DIRECTORIES and depth < 2 and (depth or tag in wanted):
            offset = "I" if kind in (LONG, 13) else layout.offset[1:]
            inside = struct.unpack_from(f"{layout.order}{offset}", data)[0]
            tags[tag] = Value(LONG, 1, _read(file, layout, inside, depth + 1))
        elif 0 < length <= _LARGEST and (depth or tag in wanted):
            if length > layout.word:
                file.seek(struct.unpack(layout.offset, data)[0])
                data = file.read(length)
            if len(data) >= length:
                tags[tag] = Value(kind, number, _little(data[:length], kind, layout.order))
    return tags


def _little(data: bytes, kind: int, order: str) -> bytes:
    width = _WIDTHS.get(kind, 1)
    if order == "<" or width == 1:
        return data
    return np.frombuffer(data, f">u{width}").astype(f"<u{width}").tobytes()


def _told(tags: Directory) -> Directory:
    return {tag: value for tag, value in tags.items() if tag in _TOLD}


def _is_of_a_stack(description: Value) -> bool:
    """Whether a scientific program wrote it, of an array that another image has not."""
    text = description.data
    return isinstance(text, bytes) and (
        text.startswith((b"ImageJ=", b'{"shape"', b'{"', b"<?xml")) or b"<OME" in text[:500]
    )
