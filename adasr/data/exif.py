"""EXIF made true of pixels that were turned or enlarged, without touching the rest of it.

The bytes are changed in place: a camera's own notes hold offsets that a rewritten EXIF would break.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

_ORIENTATION, _EXIF_DIRECTORY, _WIDTH, _HEIGHT = 0x0112, 0x8769, 0xA002, 0xA003
_PREVIEW_START, _PREVIEW_LENGTH = 0x0201, 0x0202
_SHORT, _LONG = 3, 4
_ORDERS = {b"II*\0": "<", b"MM\0*": ">"}


def upright_exif(
    exif: bytes, size: tuple[int, int] | None = None, *, turn: bool = True
) -> bytes | None:
    """EXIF whose orientation is 1 and which has no preview; None where it is damaged.

    Args:
        exif: the bytes of a TIFF, with or without JPEG's ``Exif`` mark.
        size: (H, W) to say where a size is said.
        turn: False keeps the orientation.
    """
    data = bytearray(exif.removeprefix(b"Exif\0\0"))
    try:
        _edit(data, size, turn)
    except (struct.error, KeyError):
        return None
    return bytes(data)


def _edit(data: bytearray, size: tuple[int, int] | None, turn: bool) -> None:
    order = _ORDERS[bytes(data[:4])]
    (first,) = struct.unpack_from(f"{order}I", data, 4)
    main = _places(data, order, first)
    if turn and _ORIENTATION in main:
        _put(data, order, main[_ORIENTATION], 1)
    if size is not None and _EXIF_DIRECTORY in main:
        details = _places(data, order, _number(data, order, main[_EXIF_DIRECTORY]))
        for tag, side in zip((_HEIGHT, _WIDTH), size, strict=True):
            if tag in details:
                _put(data, order, details[tag], side)
    _drop_preview(data, order, first + 2 + 12 * len(list(_entries(data, order, first))))


def _drop_preview(data: bytearray, order: str, link: int) -> None:
    (second,) = struct.unpack_from(f"{order}I", data, link)
    if second == 0:
        return
    places = _places(data, order, second)
    struct.pack_into(f"{order}I", data, link, 0)
    if _PREVIEW_START in places and _PREVIEW_LENGTH in places:
        start = _number(data, order, places[_PREVIEW_START])
        end = min(start + _number(data, order, places[_PREVIEW_LENGTH]), len(data))
        if end == len(data):
            del data[start:]
        else:
            data[start:end] = bytes(max(0, end - start))


def _entries(data: bytearray, order: str, start: int) -> Iterator[tuple[int, int]]:
    """(tag, where its entry stands) of a directory."""
    (count,) = struct.unpack_from(f"{order}H", data, start)
    for place in range(start + 2, start + 2 + 12 * count, 12):
        yield struct.unpack_from(f"{order}H", data, place)[0], place


def _places(data: bytearray, order: str, start: int) -> dict[int, int]:
    return dict(_entries(data, order, start))


def _number(data: bytearray, order: str, place: int) -> int:
    (kind,) = struct.unpack_from(f"{order}H", data, place + 2)
    return struct.unpack_from(f"{order}{'H' if kind == _SHORT else 'I'}", data, place + 8)[0]


def _put(data: bytearray, order: str, place: int, value: int) -> None:
    """Write one number into an entry, as a long one where a short one does not hold it."""
    kind = _SHORT if value < 2**16 else _LONG
    struct.pack_into(f"{order}HI", data, place + 2, kind, 1)
    struct.pack_into(f"{order}{'H2x' if kind == _SHORT else 'I'}", data, place + 8, value)
