"""Image files: finding, reading, writing, and the way to tensors and back.

On disk and in NumPy an image is (H, W, C), RGB order, C from 1 to 4; inside adasr it is a float32
tensor (C, H, W) in [0, 1].
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from .decoding import decode, pixel_count, shape_of
from .encoding import LOSSY_SUFFIXES as LOSSY_SUFFIXES
from .encoding import WRITE_SUFFIXES as WRITE_SUFFIXES
from .headers import DEFAULT_MAX_PIXELS, check_regular, unreadable
from .pictures import read_file, write_picture
from .walking import IMAGE_SUFFIXES as IMAGE_SUFFIXES
from .walking import list_images as list_images

_FULL_SCALE = {np.dtype(np.uint8): 255.0, np.dtype(np.uint16): 65535.0}


def read_image(path: str | Path, max_pixels: int | None = DEFAULT_MAX_PIXELS) -> np.ndarray:
    """An image file's pixels, (H, W, C), uint8, uint16 or float32.

    C is 1 (gray), 2 (gray and alpha), 3 (RGB) or 4 (RGBA). Palettes are expanded, CMYK becomes sRGB
    by its profile if it has one, 1-bit becomes 8-bit gray, a camera's orientation is applied. Of an
    animation or a multi-page file the first image is read. Float images keep their values. Other
    colour profiles are ignored; ``read_picture`` gives them. The content decides the format, not
    the suffix.

    Args:
        path: the file.
        max_pixels: more are refused, since a small file can claim any size; None reads any size.

    Raises:
        ImageReadError: missing, empty, no image, damaged, cut off or too large. No partial image
            is returned.
    """
    path = Path(path)
    return decode(read_file(path), path, max_pixels)


def read_rgb(path: str | Path) -> np.ndarray:
    """As ``read_image``, always (H, W, 3): gray is repeated, alpha dropped.

    Raises:
        ImageReadError: as ``read_image``.
    """
    image = read_image(path)
    if image.shape[2] <= 2:
        return np.repeat(image[..., :1], 3, axis=2)
    return np.ascontiguousarray(image[..., :3])


def image_shape(
    path: str | Path, max_pixels: int | None = DEFAULT_MAX_PIXELS
) -> tuple[int, int, int]:
    """(H, W, C) as ``read_image`` would return it, from the header alone.

    Raises:
        ImageReadError: missing, empty or no image. Damage behind the header goes unnoticed.
    """
    path = Path(path)
    check_regular(path)
    try:
        with path.open("rb") as file:
            return shape_of(file, path, max_pixels)
    except OSError as error:
        raise unreadable(path, error) from None


def image_size(path: str | Path) -> tuple[int, int]:
    """(H, W) after orientation, from the header alone; see ``image_shape``."""
    return image_shape(path)[:2]


def image_area(path: str | Path) -> int:
    """H x W from the header alone, faster than ``image_size`` since orientation does not matter.

    Raises:
        ImageReadError: as ``image_shape``.
    """
    path = Path(path)
    check_regular(path)
    try:
        with path.open("rb") as file:
            return pixel_count(file, path)
    except OSError as error:
        raise unreadable(path, error) from None


def write_image(path: str | Path, image: np.ndarray, quality: int | None = None) -> None:
    """Write an image without metadata, atomically; see ``write_picture``.

    Raises:
        ImageWriteError: as ``write_picture``.
    """
    write_picture(path, image, quality=quality)


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
