"""An image in memory to the bytes of a file, with its metadata."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image, features

from ..errors import ImageWriteError
from .metadata import Metadata
from .png_writing import SIGNATURE, PngWriter, metadata_chunks
from .tiff_writing import TiffWriter

WRITE_SUFFIXES = (
    *(".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp"),
    *(".avif", ".heic", ".heif"),
)
LOSSY_SUFFIXES = (".jpg", ".jpeg", ".webp", ".avif", ".heic", ".heif")  # that have a quality

_MAX_SIDE = {".webp": 16383, ".jpg": 65500, ".jpeg": 65500, ".avif": 65536}  # of the encoders
_MAX_SIDE |= {".heic": 16384, ".heif": 16384}
_DEEP = {".png": (np.uint16,), ".tif": (np.uint16, np.float32), ".tiff": (np.uint16, np.float32)}
_NO_ALPHA = (".jpg", ".jpeg")
_MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}
_JPEG_EXIF_LIMIT = 65533 - len(b"Exif\0\0")  # a segment's length has 16 bits
_JPEG_XMP_LIMIT = 65533 - len(b"http://ns.adobe.com/xap/1.0/\0")
_FULL_COLOUR_QUALITY = 90  # from here on a JPEG's colours are not halved


def check_writable(path: Path, shape: tuple[int, ...], dtype: Any, quality: int | None) -> None:
    """Refuse what the format of ``path`` cannot hold, before any work is done.

    Raises:
        ImageWriteError: names the format and the remedy.
    """
    suffix = path.suffix.lower()
    if suffix not in WRITE_SUFFIXES:
        known = ", ".join(WRITE_SUFFIXES)
        raise ImageWriteError(path, f"has the unknown suffix '{suffix}'", f"Known: {known}.")
    if len(shape) != 3 or shape[2] not in _MODES or 0 in shape:
        sides = "x".join(map(str, shape))
        raise ImageWriteError(path, f"cannot hold an array of {sides}", "Give (H, W, 1 to 4).")
    if dtype != np.uint8 and dtype not in _DEEP.get(suffix, ()):
        hint = "Write .png (8, 16 bit) or .tif (also float32), or convert the image first."
        raise ImageWriteError(path, f"cannot hold {np.dtype(dtype)} values as '{suffix}'", hint)
    if suffix in _NO_ALPHA and shape[2] in (2, 4):
        hint = "Write .png or .webp, or drop the alpha channel."
        raise ImageWriteError(path, "cannot hold alpha as JPEG", hint)
    if max(shape) > (limit := _MAX_SIDE.get(suffix, 2**31 - 1)):
        problem = f"cannot hold a side of {max(shape)} pixels as '{suffix}' (at most {limit})"
        raise ImageWriteError(path, problem, "Write .png or .tif.")
    if quality is not None and not 1 <= quality <= 100:
        raise ImageWriteError(path, f"cannot have the quality {quality}", "Give 1 to 100.")


def encode(path: Path, image: np.ndarray, metadata: Metadata, quality: int | None) -> bytes:
    """The bytes of a file; ``path`` names the format.

    Raises:
        ImageWriteError: the format cannot hold this image, or its encoder is missing.
    """
    image = image[..., None] if image.ndim == 2 else image
    check_writable(path, image.shape, image.dtype, quality)
    suffix = path.suffix.lower()
    metadata = metadata.fitting(*image.shape)
    try:
        if suffix == ".png":
            return _png(image, metadata)
        if suffix in (".tif", ".tiff"):
            return _tiff(image, metadata)
        if suffix == ".bmp":
            return _bmp(image, metadata)
        return _with_pillow(path, suffix, image, metadata, quality)
    except (cv2.error, OSError, ValueError) as error:
        reason = getattr(error, "err", "") or str(error) or "refused by the encoder"
        raise ImageWriteError(path, f"cannot be encoded ({reason})", "Try .png.") from None


def _png(image: np.ndarray, metadata: Metadata) -> bytes:
    if image.shape[2] == 2:  # which OpenCV does not write
        file = io.BytesIO()
        writer = PngWriter(file, image.shape, image.dtype, metadata)  # pyright: ignore
        writer.write(image)
        writer.finish()
        return file.getvalue()
    data = _opencv(".png", image)
    after_header = len(SIGNATURE) + 25
    return data[:after_header] + metadata_chunks(metadata) + data[after_header:]


def _tiff(image: np.ndarray, metadata: Metadata) -> bytes:
    file = io.BytesIO()
    writer = TiffWriter(file, image.shape, image.dtype, metadata)  # pyright: ignore
    writer.write(image)
    writer.finish()
    return file.getvalue()


def _bmp(image: np.ndarray, metadata: Metadata) -> bytes:
    data = _opencv(".bmp", image[..., [0, 0, 0, 1]] if image.shape[2] == 2 else image)
    if metadata.dpi is None:
        return data
    per_metre = b"".join(
        min(round(side / 0.0254), 2**31 - 1).to_bytes(4, "little") for side in metadata.dpi
    )
    return data[:38] + per_metre + data[46:]


def _opencv(suffix: str, image: np.ndarray) -> bytes:
    order = {1: [0], 3: [2, 1, 0], 4: [2, 1, 0, 3]}[image.shape[2]]
    done, data = cv2.imencode(suffix, np.ascontiguousarray(image[..., order]))
    if not done:
        raise ValueError("refused by the encoder")
    return data.tobytes()


def _with_pillow(
    path: Path, suffix: str, image: np.ndarray, metadata: Metadata, quality: int | None
) -> bytes:
    format_, options = _pillow_options(path, suffix, quality)
    if suffix not in _NO_ALPHA and image.shape[2] <= 2:  # those formats know no gray
        image = image[..., [0, 0, 0, 1][: 2 + image.shape[2]]]
        metadata = metadata.fitting(*image.shape)
    told = {"icc_profile": metadata.icc, "exif": metadata.exif, "xmp": metadata.xmp}
    if suffix in _NO_ALPHA:
        told["dpi"] = metadata.dpi and tuple(round(side) for side in metadata.dpi)  # pyright: ignore
        exif = _at_most(metadata.exif, _JPEG_EXIF_LIMIT)
        told["exif"] = exif and b"Exif\0\0" + exif
        told["xmp"] = _at_most(metadata.xmp, _JPEG_XMP_LIMIT)
    file = io.BytesIO()
    pixels = np.ascontiguousarray(image).squeeze(2) if image.shape[2] == 1 else image
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    picture.save(file, format_, **options, **{k: v for k, v in told.items() if v})
    return file.getvalue()


def _pillow_options(path: Path, suffix: str, quality: int | None) -> tuple[str, dict[str, Any]]:
    if suffix in _NO_ALPHA:
        quality = 95 if quality is None else quality
        halved = "4:4:4" if quality >= _FULL_COLOUR_QUALITY else "4:2:0"
        return "JPEG", {"quality": quality, "subsampling": halved}
    if suffix == ".webp":
        if quality is None:
            return "WEBP", {"lossless": True, "exact": True, "quality": 50}
        return "WEBP", {"quality": quality, "method": 4}
    quality = 90 if quality is None else quality
    if suffix == ".avif":
        if not features.check("avif"):
            raise ImageWriteError(path, "cannot be encoded: Pillow has no AVIF here", "Try .webp.")
        return "AVIF", {"quality": quality, "subsampling": "4:4:4"}
    try:
        import pillow_heif  # pyright: ignore[reportMissingImports]
    except ImportError:
        hint = "Install it with `pip install pillow-heif`, or write .avif, .jpg or .png."
        raise ImageWriteError(path, "is HEIC, whose codec is not installed", hint) from None
    pillow_heif.register_heif_opener(thumbnails=False)
    return "HEIF", {"quality": quality, "chroma": 444}


def _at_most(data: bytes | None, limit: int) -> bytes | None:
    return data if data is not None and len(data) <= limit else None
