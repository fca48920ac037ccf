"""Image files with what they say beside their pixels: colour profile, EXIF, XMP, resolution."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..errors import ImageReadError, ImageWriteError
from ..files import write_bytes
from ..memory import free_memory
from .decoding import decode_with_metadata
from .encoding import encode
from .headers import DEFAULT_MAX_PIXELS, check_regular, unreadable
from .metadata import Metadata

_NO_METADATA = Metadata()
_LARGE_FILE = 2**28  # bytes; smaller files are read without asking how much memory is free


def read_picture(
    path: str | Path, max_pixels: int | None = DEFAULT_MAX_PIXELS
) -> tuple[np.ndarray, Metadata]:
    """An image file's pixels as ``read_image`` gives them, and its metadata.

    EXIF and XMP speak of the pixels given: a camera's orientation was applied, so they ask for no
    turn, and EXIF's preview is gone. A profile is given if it is of the pixels' kind; CMYK was
    converted by its own.

    Args:
        path: the file.
        max_pixels: more are refused; None reads any size.

    Raises:
        ImageReadError: as ``read_image``.
    """
    path = Path(path)
    return decode_with_metadata(read_file(path), path, max_pixels)


def write_picture(
    path: str | Path,
    image: np.ndarray,
    metadata: Metadata = _NO_METADATA,
    quality: int | None = None,
) -> None:
    """Write an image and its metadata atomically; the suffix decides the format.

    | format | values | alpha | profile | EXIF | XMP | dpi |
    |---|---|---|---|---|---|---|
    | PNG | 8, 16 bit | yes | yes | yes | yes | yes |
    | TIFF | 8, 16 bit, float32 | yes | yes | main tags, camera, GPS | yes | yes |
    | JPEG | 8 bit | no | yes | to 64 KiB | to 64 KiB | whole numbers |
    | WebP, AVIF, HEIC | 8 bit, no gray | yes | yes | yes | yes | no |
    | BMP | 8 bit | yes | no | no | no | yes |

    What a format cannot hold of the metadata is left out. PNG, TIFF and BMP are lossless. A profile
    that is not of the image's kind (gray, RGB) is left out. EXIF's size becomes the image's.

    Args:
        path: ends in one of ``WRITE_SUFFIXES``; missing folders are made.
        image: (H, W) or (H, W, C), C from 1 to 4: gray, gray and alpha, RGB, RGBA.
        metadata: from ``read_picture``.
        quality: 1 to 100, of JPEG (95 if None, colours at full size from 90 on), AVIF and HEIC (90)
            and WebP (lossless if None).

    Raises:
        ImageWriteError: the format cannot hold this image, or the system's reason (no space,
            no permission), then its cause is the system's error. A file that was there before
            stays as it was.
    """
    path = Path(path)
    data = encode(path, image, metadata, quality)
    try:
        write_bytes(path, data)
    except OSError as error:
        raise unwritable(path, error) from error


def read_file(path: Path) -> bytes:
    """All bytes of a regular file.

    Raises:
        ImageReadError: missing, forbidden, a folder, a device, larger than the memory.
    """
    size = check_regular(path)
    if size > _LARGE_FILE and size > free_memory():
        raise ImageReadError(path, f"does not fit in memory ({size / 2**30:.1f} GiB)")
    try:
        return path.read_bytes()
    except OSError as error:
        raise unreadable(path, error) from None


def unwritable(path: Path, error: OSError) -> ImageWriteError:
    """The system's reason in words."""
    reason = error.strerror or str(error)
    hint = "Free some space or choose another place; check the folder's permissions."
    return ImageWriteError(path, f"cannot be written ({reason})", hint)
