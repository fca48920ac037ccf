"""What Pillow and a TIFF's tags say of an image beside its pixels."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping
from typing import Any, BinaryIO

from PIL import Image, TiffImagePlugin

from .metadata import Metadata, is_profile_for
from .tiff_tags import bytes_of_tag, exif_of_tiff

# XMP, what ImageMagick writes of profiles, and the size of the image that a thumbnail is of.
_NOT_TEXT = ("XML:com.adobe.xmp", "Raw profile type ", "Thumb::")
_RESOLUTION_TAG, _XMP_TAG, _ICC_TAG = 282, 700, 34675


def metadata_of(image: Image.Image, data: bytes | BinaryIO, channels: int) -> Metadata:
    """The metadata of a loaded image as the file has them, also of pixels that are not turned.

    Args:
        image: an image that Pillow opened.
        data: its file, or the file's bytes.
        channels: of the pixels as they are read; a profile of other colours is left out.
    """
    info = image.info
    icc = info.get("icc_profile")
    icc = bytes(icc) if icc and is_profile_for(icc, channels) else None
    xmp = info.get("xmp") or info.get("XML:com.adobe.xmp")  # the latter from a compressed chunk
    if isinstance(xmp, str):
        xmp = xmp.encode()
    dpi = _dpi(info.get("dpi"))
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        file = io.BytesIO(data) if isinstance(data, bytes) else data
        exif = exif_of_tiff(file)
        xmp = bytes_of_tag(file, _XMP_TAG)  # Pillow has cut the orientation out of its own
        dpi = dpi if _RESOLUTION_TAG in image.tag_v2 else None  # where Pillow says 1
    elif "Raw profile type exif" in info and "exif" not in info:  # as ImageMagick writes PNG
        exif = image.getexif().tobytes()
    else:
        exif = info.get("exif")
    exif = exif.removeprefix(b"Exif\0\0") if exif else None
    text = _text(info) if image.format == "PNG" else ()
    return Metadata(icc, exif, bytes(xmp).rstrip(b"\0") if xmp else None, dpi, text)


def metadata_of_tiff(file: BinaryIO, channels: int) -> Metadata:
    """The same of a TIFF of a kind that Pillow does not know."""
    icc, xmp = bytes_of_tag(file, _ICC_TAG), bytes_of_tag(file, _XMP_TAG)
    return Metadata(icc if is_profile_for(icc, channels) else None, exif_of_tiff(file), xmp)


def _text(info: Mapping[Any, Any]) -> tuple[tuple[str, str], ...]:
    """The text chunks of a PNG, without those that are metadata of another kind.

    Those stand for themselves in ``Metadata``, or speak of the file as it was.
    """
    return tuple(
        (str(key), str(value))
        for key, value in info.items()
        if isinstance(value, str) and not str(key).startswith(_NOT_TEXT)
    )


def _dpi(value: object) -> tuple[float, float] | None:
    try:
        across, down = (float(side) for side in value)  # pyright: ignore
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    known = all(math.isfinite(side) and side > 0 for side in (across, down))
    return (across, down) if known else None
