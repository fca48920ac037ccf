"""Bytes of an image file to pixels, whole or not at all.

Pillow decodes and judges every file it knows: it refuses truncated and corrupt data and prints
nothing. OpenCV decodes the few kinds Pillow reduces or refuses (several channels of 16 bits,
floating-point colour TIFF), after Pillow has checked the same bytes where it can.
"""

from __future__ import annotations

import io
import threading
import zlib
from pathlib import Path
from typing import BinaryIO

import cv2
import numpy as np
from PIL import Image, TiffImagePlugin, UnidentifiedImageError

from ..errors import ImageReadError

# Named, so that a file called .png never starts another decoder (e.g. Ghostscript for EPS).
_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "DIB", "TIFF", "GIF", "PPM", "JPEG2000")
_MAX_PIXELS = 2**30  # OpenCV's own limit; Pillow's default is below an x4 result of a photograph
_TIFF_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_RE_EXPORT = "Open it in an image editor and save it as PNG, or remove it."
_ORIENTATION_TAG = 0x0112
_BITS_PER_SAMPLE_TAG = 258
_PLANAR_CONFIGURATION_TAG = 284
_limit_lock, _opencv_lock = threading.Lock(), threading.Lock()  # each guards a global setting


def decode(data: bytes, path: Path) -> np.ndarray:
    """Pixels of an encoded image, (H, W, C), C in {1, 3, 4}, RGB(A), uint8, uint16 or float32.

    Raises:
        ImageReadError: the data are no image, damaged, cut off or of an unsupported kind.
    """
    if not data:
        raise ImageReadError(path, "is an empty file", "Copy or download it again.")
    try:
        image = _open(io.BytesIO(data))
    except UnidentifiedImageError:
        if data[:4] in _TIFF_MAGIC:
            return _finite(_decode_with_opencv(data, path), path)
        raise ImageReadError(path, "is not a readable image", _RE_EXPORT) from None
    except Image.DecompressionBombError:
        raise ImageReadError(
            path, f"has more than {_MAX_PIXELS} pixels", "Cut it into parts first."
        ) from None
    except Exception as error:  # decoders raise whatever damaged bytes lead them to
        raise ImageReadError(path, f"is not a readable image ({error})", _RE_EXPORT) from None
    try:
        if image.format == "PNG":
            _check_png(data)
        deep = _is_deep_colour(image)
        image.load()
        orientation = image.getexif().get(_ORIENTATION_TAG, 1)
        if not deep:
            return _finite(_turn(_pixels(image), orientation), path)
    except MemoryError:
        raise ImageReadError(
            path, f"does not fit in memory ({image.width}x{image.height})", "Cut it into parts."
        ) from None
    except Exception as error:
        problem = f"is damaged or cut off ({error})"
        raise ImageReadError(path, problem, "Copy or download it again.") from None
    return _finite(_turn(_decode_with_opencv(data, path), orientation), path)


def shape_of(file: BinaryIO, path: Path) -> tuple[int, int, int]:
    """(H, W, C) that ``decode`` would return, from the header alone.

    Raises:
        ImageReadError: the header is no image's.
    """
    try:
        image = _open(file)
    except Exception:  # decode knows more kinds and says exactly what is wrong
        file.seek(0)
        height, width, channels = decode(file.read(), path).shape
        return height, width, channels
    width, height = image.size
    try:
        if image.format != "TIFF" and _header_orientation(image, file) >= 5:
            width, height = height, width
    except Exception as error:
        raise ImageReadError(path, f"is damaged or cut off ({error})", _RE_EXPORT) from None
    if _has_alpha(image):
        return height, width, 4
    return height, width, 1 if image.mode in ("1", "L", "F") or image.mode[:1] == "I" else 3


def pixel_count(file: BinaryIO, path: Path) -> int:
    """H x W of what ``decode`` would return, from the header alone.

    Raises:
        ImageReadError: the header is no image's.
    """
    try:
        width, height = _open(file).size
    except Exception:  # see shape_of
        file.seek(0)
        height, width = shape_of(file, path)[:2]
    return height * width


def _open(file: BinaryIO) -> Image.Image:
    # The limit is a global of Pillow's. The header takes microseconds, so it is held for no longer.
    with _limit_lock:
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, _MAX_PIXELS // 2
        try:
            return Image.open(file, formats=_FORMATS)
        finally:
            Image.MAX_IMAGE_PIXELS = limit


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


def _is_deep_colour(image: Image.Image) -> bool:
    """Whether Pillow would cut several channels of more than 8 bits down to 8."""
    if image.mode in ("L", "F") or image.mode[:1] == "I":
        return False
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        return any(bits > 8 for bits in image.tag_v2.get(_BITS_PER_SAMPLE_TAG, ()))
    return any(";16" in str(tile[3]) for tile in getattr(image, "tile", ()))


def _has_alpha(image: Image.Image) -> bool:
    return image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or (
        "transparency" in image.info and image.mode in ("1", "L", "P", "RGB")
    )


def _pixels(image: Image.Image) -> np.ndarray:
    """A loaded image's pixels in one of the kinds that ``decode`` returns."""
    if _has_alpha(image):
        if image.mode != "RGBA":
            image = image.convert("RGBA")
    elif image.mode == "1":
        image = image.convert("L")
    elif image.mode[:1] == "I":
        return _sixteen_bit(np.array(image))
    elif image.mode not in ("L", "F", "RGB"):
        image = image.convert("RGB")
    pixels = np.array(image)
    return pixels[..., None] if pixels.ndim == 2 else pixels


def _sixteen_bit(pixels: np.ndarray) -> np.ndarray:
    if pixels.dtype != np.uint16 and (pixels.min() < 0 or pixels.max() > 65535):
        raise ValueError("32-bit integers are not supported")
    return pixels.astype(np.uint16, copy=False)[..., None]


def _decode_with_opencv(data: bytes, path: Path) -> np.ndarray:
    if _has_separate_planes(data):
        raise ImageReadError(path, "is a TIFF with separate colour planes", _RE_EXPORT)
    logging = cv2.utils.logging
    with _opencv_lock:
        level = logging.setLogLevel(logging.LOG_LEVEL_SILENT)
        try:
            pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
        except cv2.error:
            pixels = None
        finally:
            logging.setLogLevel(level)
    if pixels is None:
        raise ImageReadError(path, "is damaged or of an unsupported kind", _RE_EXPORT)
    if pixels.dtype == np.float64:
        pixels = pixels.astype(np.float32)
    if pixels.dtype not in (np.uint8, np.uint16, np.float32):
        raise ImageReadError(path, f"holds values of type {pixels.dtype}", _RE_EXPORT)
    pixels = pixels[..., None] if pixels.ndim == 2 else pixels
    if pixels.shape[2] == 3:
        return np.ascontiguousarray(pixels[..., ::-1])
    if pixels.shape[2] == 4:
        return np.ascontiguousarray(pixels[..., [2, 1, 0, 3]])
    if pixels.shape[2] == 1:
        return pixels
    raise ImageReadError(path, f"has {pixels.shape[2]} channels", _RE_EXPORT)


def _has_separate_planes(data: bytes) -> bool:
    """Whether the data are a TIFF of a layout that OpenCV takes for interleaved colours."""
    if data[:4] not in _TIFF_MAGIC:
        return False
    try:
        tags = TiffImagePlugin.ImageFileDirectory_v2(data[:16] if b"+" in data[:4] else data[:8])
        file = io.BytesIO(data)
        file.seek(tags.next)
        tags.load(file)
        return tags.get(_PLANAR_CONFIGURATION_TAG, 1) == 2
    except Exception:  # damaged; OpenCV refuses it
        return False


def _finite(pixels: np.ndarray, path: Path) -> np.ndarray:
    if pixels.dtype == np.float32 and not np.isfinite(pixels).all():
        raise ImageReadError(path, "holds values that are not finite", _RE_EXPORT)
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


def _header_orientation(image: Image.Image, file: BinaryIO) -> int:
    """Orientation without decoding, except for the rare PNG that states it after its pixels."""
    if image.format == "PNG" and "exif" not in image.info and not _late_metadata(file):
        return 1  # getexif would decode the whole PNG in search of it
    return image.getexif().get(_ORIENTATION_TAG, 1)


def _late_metadata(file: BinaryIO) -> bool:
    """Whether a PNG has metadata after its pixels; leaves the file's position as it was."""
    position = file.tell()
    file.seek(8)
    pixels_seen = late = False
    while len(head := file.read(8)) == 8 and not late:
        pixels_seen = pixels_seen or head[4:] == b"IDAT"
        late = pixels_seen and head[4:] in (b"eXIf", b"zTXt", b"iTXt", b"tEXt")
        file.seek(int.from_bytes(head[:4], "big") + 4, io.SEEK_CUR)
    file.seek(position)
    return late
