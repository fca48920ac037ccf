"""Pillow's images and tensors as arrays, and back."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image
from torch import Tensor

# Modes whose pixels an array holds as they are, and what others become; those that are converted
# back afterwards stand behind them.
_KEPT = ("L", "LA", "RGB", "RGBA", "F", "I;16", "I;16L", "I;16B")
_CONVERTED = {"1": "L", "P": "RGB", "PA": "RGBA", "La": "LA", "RGBa": "RGBA", "RGBX": "RGB"}
_WITH_CLEAR_COLOUR = {"1": "LA", "L": "LA", "RGB": "RGBA", "P": "RGBA"}
_RETURNED = ("CMYK", "YCbCr", "HSV", "LAB", "La", "RGBa")


def array_of_picture(picture: Image.Image) -> np.ndarray:
    """A Pillow image as an array (H, W) or (H, W, C).

    Raises:
        ValueError: a mode that is neither gray nor colour, 32-bit integers.
    """
    mode = picture.mode
    if mode in ("I;16B", "I;16L"):
        return np.asarray(picture).astype(np.uint16)
    if "transparency" in picture.info and mode in _WITH_CLEAR_COLOUR:
        return np.asarray(picture.convert(_WITH_CLEAR_COLOUR[mode]))
    if mode in _KEPT:
        return np.asarray(picture)
    if mode == "LAB" or mode not in (*_CONVERTED, *_RETURNED):
        raise ValueError(f"images of mode {mode} are not enlarged; convert it to RGB or L")
    return np.asarray(picture.convert(_CONVERTED.get(mode, "RGB")))


def picture_of_array(image: np.ndarray, like: Image.Image) -> Image.Image:
    """An array as a Pillow image of ``like``'s mode, with what ``like`` says beside its pixels.

    A palette becomes RGB, 1-bit becomes L, 16-bit of any order I;16; a colour that means
    transparent becomes alpha.
    """
    picture = Image.fromarray(image)
    if like.mode in _RETURNED:
        picture = picture.convert(like.mode)
    keep = ("icc_profile", "exif", "dpi", "xmp", "gamma")
    picture.info.update({key: like.info[key] for key in keep if key in like.info})
    return picture


def arrays_of_tensor(tensor: Tensor) -> list[np.ndarray]:
    """(C, H, W) or (N, C, H, W), uint8, uint16 or float in [0, 1], as N arrays (H, W, C).

    Raises:
        ValueError: another shape, or nothing in it.
    """
    if tensor.ndim not in (3, 4):
        raise ValueError(f"expected (C, H, W) or (N, C, H, W), got {tuple(tensor.shape)}")
    if 0 in tensor.shape:
        raise ValueError(f"the tensor is empty: {tuple(tensor.shape)}")
    values = tensor.detach().cpu()
    values = values.float() if values.dtype == torch.bfloat16 else values
    images = values if values.ndim == 4 else values[None]
    return [image.permute(1, 2, 0).numpy() for image in images]


def tensor_of_arrays(images: list[np.ndarray], like: Tensor) -> Tensor:
    """Arrays of one shape as a tensor with ``like``'s dimensions, type and device."""
    planes = [torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1))) for image in images]
    result = torch.stack(planes).to(like.device, like.dtype)
    return result if like.ndim == 4 else result[0]
