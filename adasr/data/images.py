"""Image files: finding, reading, writing, and the way to tensors and back.

On disk and in NumPy an image is (H, W, C), RGB order, C in {1, 3, 4}; inside adasr it is a float32
tensor (C, H, W) in [0, 1].
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from ..errors import ImageReadError, ImageWriteError
from ..files import write_bytes
from .decoding import decode, pixel_count, shape_of
from .walking import IMAGE_SUFFIXES as IMAGE_SUFFIXES
from .walking import list_images as list_images

WRITE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp")

_MAX_SIDE = {".webp": 16383, ".jpg": 65500, ".jpeg": 65500}  # libwebp's and libjpeg's limits
_FULL_SCALE = {np.dtype(np.uint8): 255.0, np.dtype(np.uint16): 65535.0}


def read_image(path: str | Path) -> np.ndarray:
    """An image file's pixels, (H, W, C), RGB(A), uint8, uint16 or float32.

    Gray stays one channel, gray with alpha becomes RGBA, palettes are expanded, CMYK becomes RGB,
    1-bit becomes 8-bit gray, a camera's orientation is applied. Of an animation or a multi-page
    file the first image is read. Float images keep their values. Colour profiles are ignored.

    Raises:
        ImageReadError: missing, empty, no image, damaged or cut off. No partial image is returned.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise _unreadable(path, error) from None
    return decode(data, path)


def read_rgb(path: str | Path) -> np.ndarray:
    """As ``read_image``, always (H, W, 3): gray is repeated, alpha dropped.

    Raises:
        ImageReadError: as ``read_image``.
    """
    image = read_image(path)
    if image.shape[2] == 1:
        return np.repeat(image, 3, axis=2)
    return np.ascontiguousarray(image[..., :3])


def image_shape(path: str | Path) -> tuple[int, int, int]:
    """(H, W, C) as ``read_image`` would return it, from the header alone.

    Raises:
        ImageReadError: missing, empty or no image. Damage behind the header goes unnoticed.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            return shape_of(file, path)
    except OSError as error:
        raise _unreadable(path, error) from None


def image_size(path: str | Path) -> tuple[int, int]:
    """(H, W) after orientation, from the header alone; see ``image_shape``."""
    return image_shape(path)[:2]


def image_area(path: str | Path) -> int:
    """H x W from the header alone, faster than ``image_size`` since orientation does not matter.

    Raises:
        ImageReadError: as ``image_shape``.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            return pixel_count(file, path)
    except OSError as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: OSError) -> ImageReadError:
    if isinstance(error, FileNotFoundError):
        return ImageReadError(path, "does not exist", "Check the path.")
    if isinstance(error, IsADirectoryError) or path.is_dir():
        return ImageReadError(path, "is a folder, not an image")
    return ImageReadError(path, f"cannot be read ({error.strerror})", "Check its permissions.")


def write_image(path: str | Path, image: np.ndarray, quality: int = 95) -> None:
    """Write an image atomically; the suffix decides the format.

    PNG and TIFF are lossless and keep uint8 and uint16 (TIFF also float32). WebP is written
    lossless; WebP, BMP and JPEG hold 8 bits, JPEG no alpha.

    Args:
        path: ends in one of ``WRITE_SUFFIXES``; missing folders are made.
        image: (H, W) or (H, W, C), C in {1, 3, 4}, RGB(A), uint8, uint16 or float32.
        quality: of a JPEG, 1 to 100.

    Raises:
        ImageWriteError: the format cannot hold this image, or the system's reason (no space,
            no permission). A file that was there before stays as it was.
    """
    path = Path(path)
    data = _encode(path, image, quality)
    try:
        write_bytes(path, data)
    except OSError as error:
        reason = error.strerror or str(error)
        hint = "Free some space or choose another place; check the folder's permissions."
        raise ImageWriteError(path, f"cannot be written ({reason})", hint) from None


def _encode(path: Path, image: np.ndarray, quality: int) -> bytes:
    suffix = path.suffix.lower()
    if suffix not in WRITE_SUFFIXES:
        known = ", ".join(WRITE_SUFFIXES)
        raise ImageWriteError(path, f"has the unknown suffix '{suffix}'", f"Known: {known}.")
    image = image[..., None] if image.ndim == 2 else image
    if image.ndim != 3 or image.shape[2] not in (1, 3, 4) or 0 in image.shape:
        shape = "x".join(map(str, image.shape))
        raise ImageWriteError(path, f"cannot hold an array of {shape}", "Give (H, W, 1, 3 or 4).")
    depths = {".png": (np.uint8, np.uint16), ".tif": (np.uint8, np.uint16, np.float32)}
    depths[".tiff"] = depths[".tif"]
    if image.dtype not in depths.get(suffix, (np.uint8,)):
        hint = "Write .png (8, 16 bit) or .tif (also float32), or convert the image first."
        raise ImageWriteError(path, f"cannot hold {image.dtype} values as '{suffix}'", hint)
    if suffix in (".jpg", ".jpeg") and image.shape[2] == 4:
        hint = "Write .png or .webp, or drop the alpha channel."
        raise ImageWriteError(path, "cannot hold alpha as JPEG", hint)
    if max(image.shape) > (limit := _MAX_SIDE.get(suffix, 2**31)):
        problem = f"cannot hold a side of {max(image.shape)} pixels as '{suffix}' (at most {limit})"
        raise ImageWriteError(path, problem, "Write .png.")
    order = {1: [0], 3: [2, 1, 0], 4: [2, 1, 0, 3]}[image.shape[2]]
    settings = {
        ".jpg": [cv2.IMWRITE_JPEG_QUALITY, quality],
        ".jpeg": [cv2.IMWRITE_JPEG_QUALITY, quality],
        ".webp": [cv2.IMWRITE_WEBP_QUALITY, 101],  # above 100 means lossless
    }.get(suffix, [])
    try:
        done, data = cv2.imencode(suffix, np.ascontiguousarray(image[..., order]), settings)
    except cv2.error as error:
        reason = error.err or "refused by the encoder"
        raise ImageWriteError(path, f"cannot be encoded ({reason})", "Try .png.") from None
    if not done:
        raise ImageWriteError(path, "cannot be encoded as its suffix asks", "Try .png.")
    return data.tobytes()


def to_tensor(image: np.ndarray) -> torch.Tensor:
    """(H, W[, C]) uint8, uint16 or float to a new float32 tensor (C, H, W).

    uint8 and uint16 are divided by their full scale into [0, 1]; floats keep their values.
    """
    image = image[..., None] if image.ndim == 2 else image
    full = _FULL_SCALE.get(image.dtype, 1.0)
    planes = np.ascontiguousarray(image.transpose(2, 0, 1), dtype=np.float32)
    tensor = torch.from_numpy(planes if planes.base is None else planes.copy())
    return tensor.div_(full) if full != 1.0 else tensor


def to_image(tensor: torch.Tensor, dtype: Any = np.uint8) -> np.ndarray:
    """(C, H, W) or (1, C, H, W) in [0, 1] to an array (H, W, C), clamped and rounded.

    Args:
        tensor: of any float type, on any device; NaN becomes 0.
        dtype: uint8, uint16 or float32 (clamped, not rounded).
    """
    if tensor.ndim == 4 and tensor.shape[0] == 1:
        tensor = tensor[0]
    if tensor.ndim != 3:
        raise ValueError(f"expected (C, H, W) or (1, C, H, W), got {tuple(tensor.shape)}")
    planes = tensor.detach().to("cpu", torch.float32).nan_to_num(nan=0.0).clamp(0, 1)
    full = _FULL_SCALE.get(np.dtype(dtype))
    if full is not None:
        planes = (planes * full).round()
    return np.ascontiguousarray(planes.permute(1, 2, 0).numpy().astype(dtype))
