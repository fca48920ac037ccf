"""The kinds of images that Pillow reduces or refuses, decoded by OpenCV."""

from __future__ import annotations

import io
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import TiffImagePlugin

from ..errors import ImageReadError
from .headers import RE_EXPORT, TIFF_MAGIC, check_area
from .vips import decode_with_vips

_TAGS = _WIDTH_TAG, _HEIGHT_TAG, _SAMPLES_TAG, _PLANAR_CONFIGURATION_TAG = 256, 257, 277, 284
_lock = threading.Lock()  # guards OpenCV's log level


def decode_with_opencv(data: bytes, path: Path, max_pixels: int | None) -> np.ndarray:
    """Pixels (H, W, C), C from 1 to 4, RGB(A), uint8, uint16 or float32, not turned.

    Raises:
        ImageReadError: damaged, cut off, of an unsupported kind or size.
    """
    tags = _tiff_tags(data)
    check_area(path, int(tags.get(_HEIGHT_TAG, 0)), int(tags.get(_WIDTH_TAG, 0)), max_pixels)
    if tags.get(_PLANAR_CONFIGURATION_TAG) == 2 or tags.get(_SAMPLES_TAG) == 2:
        return decode_with_vips(data, path)  # OpenCV would mix the planes up, drop the alpha
    logging = cv2.utils.logging
    with _lock:
        level = logging.setLogLevel(logging.LOG_LEVEL_SILENT)
        try:
            pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
        except cv2.error:
            pixels = None
        finally:
            logging.setLogLevel(level)
    if pixels is None:
        raise ImageReadError(path, "is damaged or of an unsupported kind", RE_EXPORT)
    if pixels.dtype == np.float64:
        pixels = pixels.astype(np.float32)
    if pixels.dtype not in (np.uint8, np.uint16, np.float32):
        raise ImageReadError(path, f"holds values of type {pixels.dtype}", RE_EXPORT)
    pixels = pixels[..., None] if pixels.ndim == 2 else pixels
    if pixels.shape[2] == 3:
        return np.ascontiguousarray(pixels[..., ::-1])
    if pixels.shape[2] == 4:
        return np.ascontiguousarray(pixels[..., [2, 1, 0, 3]])
    if pixels.shape[2] == 1:
        return pixels
    raise ImageReadError(path, f"has {pixels.shape[2]} channels", RE_EXPORT)


def _tiff_tags(data: bytes) -> Mapping[int, Any]:
    """The tags of a TIFF, none of another format or of a damaged one, which OpenCV refuses."""
    if data[:4] not in TIFF_MAGIC:
        return {}
    try:
        tags = TiffImagePlugin.ImageFileDirectory_v2(data[:16] if b"+" in data[:4] else data[:8])
        file = io.BytesIO(data)
        file.seek(tags.next)
        tags.load(file)
        return {tag: tags[tag] for tag in _TAGS if tag in tags}
    except Exception:
        return {}
