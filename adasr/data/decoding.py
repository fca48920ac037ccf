"""Bytes of an image file to pixels, whole or not at all.

Pillow decodes and judges every file it knows: it refuses truncated and corrupt data and prints
nothing. OpenCV decodes the few kinds Pillow reduces or refuses (several channels of 16 bits,
floating-point colour TIFF), after Pillow has checked the same bytes where it can.
"""

from __future__ import annotations

import io
import zlib
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageCms, UnidentifiedImageError

from ..errors import ImageReadError
from .headers import (
    DEFAULT_MAX_PIXELS,
    ORIENTATION_TAG,
    RE_EXPORT,
    TIFF_MAGIC,
    has_alpha,
    header_orientation,
    is_deep_colour,
    is_gray,
    is_white_zero,
    open_picture,
)
from .metadata import Metadata
from .metadata_reading import metadata_of, metadata_of_tiff
from .opencv_decoding import decode_with_opencv


def decode(data: bytes, path: Path, max_pixels: int | None = DEFAULT_MAX_PIXELS) -> np.ndarray:
    """Pixels of an encoded image, (H, W, C), C from 1 to 4, uint8, uint16 or float32.

    Raises:
        ImageReadError: the data are no image, damaged, cut off, of an unsupported kind or size.
    """
    return _decode(data, path, max_pixels)[0]


def decode_with_metadata(
    data: bytes, path: Path, max_pixels: int | None = DEFAULT_MAX_PIXELS
) -> tuple[np.ndarray, Metadata]:
    """As ``decode``, and what the file says beside its pixels."""
    pixels, image = _decode(data, path, max_pixels)
    if image is None:
        return pixels, metadata_of_tiff(io.BytesIO(data), pixels.shape[2]).turned()
    return pixels, metadata_of(image, data, pixels.shape[2]).turned()


def shape_of(
    file: BinaryIO, path: Path, max_pixels: int | None = DEFAULT_MAX_PIXELS
) -> tuple[int, int, int]:
    """(H, W, C) that ``decode`` would return, from the header alone.

    Raises:
        ImageReadError: the header is no image's.
    """
    try:
        image = open_picture(file, path, max_pixels)
    except Exception:  # decode knows more kinds and says exactly what is wrong
        file.seek(0)
        height, width, channels = decode(file.read(), path, max_pixels).shape
        return height, width, channels
    width, height = image.size
    try:
        if image.format != "TIFF" and header_orientation(image, file) >= 5:
            width, height = height, width
    except Exception as error:
        raise ImageReadError(path, f"is damaged or cut off ({error})", RE_EXPORT) from None
    return height, width, (1 if is_gray(image) else 3) + has_alpha(image)


def pixel_count(file: BinaryIO, path: Path) -> int:
    """H x W of what ``decode`` would return, from the header alone.

    Raises:
        ImageReadError: the header is no image's.
    """
    try:
        width, height = open_picture(file, path, DEFAULT_MAX_PIXELS).size
    except Exception:  # see shape_of
        file.seek(0)
        height, width = shape_of(file, path)[:2]
    return height * width


def _decode(
    data: bytes, path: Path, max_pixels: int | None
) -> tuple[np.ndarray, Image.Image | None]:
    """Pixels, and the loaded image if Pillow knows it."""
    if not data:
        raise ImageReadError(path, "is an empty file", "Copy or download it again.")
    try:
        image = open_picture(io.BytesIO(data), path, max_pixels)
    except ImageReadError:
        raise
    except UnidentifiedImageError:
        if data[:4] in TIFF_MAGIC:
            return _finite(decode_with_opencv(data, path, max_pixels), path), None
        raise ImageReadError(path, "is not a readable image", RE_EXPORT) from None
    except Exception as error:  # decoders raise whatever damaged bytes lead them to
        raise ImageReadError(path, f"is not a readable image ({error})", RE_EXPORT) from None
    try:
        if image.format == "PNG":
            _check_png(data)
        # Pillow swaps the bytes of compressed big-endian floats once too often.
        beyond = is_deep_colour(image) or (image.mode == "F" and data[:2] == b"MM")
        gray = is_gray(image)
        image.load()
        orientation = image.getexif().get(ORIENTATION_TAG, 1)
        if not beyond:
            return _finite(_turn(_pixels(image, path), orientation), path), image
    except MemoryError:
        raise ImageReadError(
            path, f"does not fit in memory ({image.width}x{image.height})", "Cut it into parts."
        ) from None
    except ImageReadError:
        raise
    except Exception as error:
        problem = f"is damaged or cut off ({error})"
        raise ImageReadError(path, problem, "Copy or download it again.") from None
    pixels = decode_with_opencv(data, path, max_pixels)
    if gray and pixels.shape[2] == 4:  # gray with alpha, which OpenCV makes RGBA
        pixels = pixels[..., [0, 3]]
    return _finite(_turn(pixels, orientation), path), image


def _check_png(data: bytes) -> None:
    """Compare the pixels' checksums, which Pillow leaves out: zeros decode to an image, too."""
    start = 8
    while head := data[start : start + 8]:
        end = start + 8 + int.from_bytes(head[:4], "big")
        if head[4:] == b"IDAT":
            stored = int.from_bytes(data[end : end + 4], "big")
            if zlib.crc32(memoryview(data)[start + 4 : end]) != stored:
                raise ValueError("wrong checksum")
        start = end + 4


def _pixels(image: Image.Image, path: Path) -> np.ndarray:
    """A loaded image's pixels in one of the kinds that ``decode`` returns."""
    if has_alpha(image):
        gray = is_gray(image)
        if image.mode not in ("RGBA", "LA"):
            image = image.convert("RGBA")
        pixels = np.array(image)
        return np.ascontiguousarray(pixels[..., [0, 3]]) if gray and image.mode != "LA" else pixels
    if image.mode == "1":
        image = image.convert("L")
    elif image.mode[:1] == "I":
        pixels = _sixteen_bit(np.array(image), path)
        return ~pixels if is_white_zero(image) else pixels
    elif image.mode in ("CMYK", "LAB"):
        image = managed_rgb(image, image.info.get("icc_profile"))
    elif image.mode not in ("L", "F", "RGB"):
        image = image.convert("RGB")
    pixels = np.array(image)
    return pixels[..., None] if pixels.ndim == 2 else pixels


def managed_rgb(image: Image.Image, icc: bytes | None) -> Image.Image:
    """A CMYK or Lab image in sRGB, by the profile of its inks where it has a usable one."""
    try:
        if image.mode == "LAB":
            profile = ImageCms.createProfile("LAB")
        elif icc is not None:
            profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
        else:
            return image.convert("RGB")
        srgb = ImageCms.createProfile("sRGB")
        managed = ImageCms.profileToProfile(image, profile, srgb, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError):
        return image.convert("RGB")
    assert managed is not None  # None only when asked to convert in place
    return managed


def _sixteen_bit(pixels: np.ndarray, path: Path) -> np.ndarray:
    if pixels.dtype != np.uint16 and (pixels.min() < 0 or pixels.max() > 65535):
        raise ImageReadError(path, "holds integers outside 0 to 65535", RE_EXPORT)
    return pixels.astype(np.uint16, copy=False)[..., None]


def _finite(pixels: np.ndarray, path: Path) -> np.ndarray:
    if pixels.dtype == np.float32 and not np.isfinite(pixels).all():
        raise ImageReadError(path, "holds values that are not finite", RE_EXPORT)
    return pixels


def _turn(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Undo a camera's orientation (EXIF tag 0x0112, values 1 to 8; others mean upright)."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)
