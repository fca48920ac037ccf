"""The kinds of images that Pillow reduces or refuses, decoded by OpenCV."""

from __future__ import annotations

import io
import threading
from pathlib import Path

import cv2
import numpy as np

from ..errors import ImageReadError
from .headers import RE_EXPORT, check_area
from .tiff_tags import numbers_of_tags
from .vips import decode_with_vips

_WIDTH_TAG, _HEIGHT_TAG, _BITS_TAG = 256, 257, 258
_SAMPLES_TAG, _PLANAR_CONFIGURATION_TAG, _EXTRA_SAMPLES_TAG = 277, 284, 338
_TAGS = {_WIDTH_TAG, _HEIGHT_TAG, _BITS_TAG}
_TAGS |= {_SAMPLES_TAG, _PLANAR_CONFIGURATION_TAG, _EXTRA_SAMPLES_TAG}
_ASSOCIATED = 1
_lock = threading.Lock()  # guards OpenCV's log level


def decode_with_opencv(data: bytes, path: Path, max_pixels: int | None) -> np.ndarray:
    """Pixels (H, W, C), C from 1 to 4, RGB(A), uint8, uint16 or float32, not turned.

    Raises:
        ImageReadError: damaged, cut off, of an unsupported kind or size.
    """
    tags = numbers_of_tags(io.BytesIO(data), _TAGS)
    check_area(path, int(tags.get(_HEIGHT_TAG, 0)), int(tags.get(_WIDTH_TAG, 0)), max_pixels)
    samples = tags.get(_SAMPLES_TAG)
    if tags.get(_PLANAR_CONFIGURATION_TAG) == 2 or samples == 2:
        return decode_with_vips(data, path)  # OpenCV would mix the planes up, drop the alpha
    if samples == 4 and tags.get(_BITS_TAG) == 8:
        return decode_with_vips(data, path)  # OpenCV would multiply the colours by it
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
        pixels = pixels[..., [2, 1, 0, 3]]
        is_associated = tags.get(_EXTRA_SAMPLES_TAG) == _ASSOCIATED
        return _unassociated(pixels) if is_associated else np.ascontiguousarray(pixels)
    if pixels.shape[2] == 1:
        return pixels
    raise ImageReadError(path, f"has {pixels.shape[2]} channels", RE_EXPORT)


def _unassociated(pixels: np.ndarray) -> np.ndarray:
    """RGBA whose colours were multiplied by their alpha, without that."""
    most = np.iinfo(pixels.dtype).max if pixels.dtype.kind == "u" else 1.0
    alpha = pixels[..., 3:].astype(np.float64)
    colours = pixels[..., :3] * np.where(alpha > 0, most / np.maximum(alpha, 1e-30), 0)
    if pixels.dtype.kind == "u":
        colours = colours.clip(0, most).round()
    return np.concatenate([colours.astype(pixels.dtype), pixels[..., 3:]], axis=2)
