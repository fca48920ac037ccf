"""Downscaling by other interpolations than the antialiased bicubic one.

Networks that were trained on one kernel are worse on others (Shocher et al., ZSSR, CVPR 2018);
these are the ones that programs and Real-ESRGAN (Wang et al., ICCVW 2021) use.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image

from ...families import ALIASED_BICUBIC, AREA, BILINEAR, LANCZOS, NEAREST
from ..recipe import Recipe, add, pillow_resized


@dataclass(frozen=True)
class PillowResize:
    """One of Pillow's, as wide as the new pixels."""

    kind: Image.Resampling
    libraries = ("pillow",)

    def __call__(self, image: np.ndarray, scale: int) -> np.ndarray:
        """(H, W, 3) to (H / scale, W / scale, 3)."""
        return pillow_resized(image, scale, self.kind)


@dataclass(frozen=True)
class Nearest:
    """The pixel under the middle of each new one."""

    def __call__(self, image: np.ndarray, scale: int) -> np.ndarray:
        """(H, W, 3) to (H / scale, W / scale, 3)."""
        return image[scale // 2 :: scale, scale // 2 :: scale]


@dataclass(frozen=True)
class AliasedBicubic:
    """Bicubic between the nearest four pixels on each axis, those between left out (OpenCV's)."""

    libraries = ("opencv",)

    def __call__(self, image: np.ndarray, scale: int) -> np.ndarray:
        """(H, W, 3) to (H / scale, W / scale, 3)."""
        size = (image.shape[1] // scale, image.shape[0] // scale)
        return cv2.resize(image, size, interpolation=cv2.INTER_CUBIC)


for _name, _family, _step, _strength, _imitates in (
    (
        "nearest",
        NEAREST,
        Nearest(),
        "every s-th pixel",
        "thumbnails in a hurry, games; half a pixel out of register at even scales",
    ),
    (
        "bicubic_aliased",
        ALIASED_BICUBIC,
        AliasedBicubic(),
        "bicubic of the nearest pixels",
        "OpenCV's and PyTorch's usual downscaling",
    ),
    (
        "bilinear",
        BILINEAR,
        PillowResize(Image.Resampling.BILINEAR),
        "triangle as wide as two new pixels",
        "browsers, phones",
    ),
    (
        "area",
        AREA,
        PillowResize(Image.Resampling.BOX),
        "means of s x s pixels",
        "binning sensors",
    ),
    (
        "lanczos",
        LANCZOS,
        PillowResize(Image.Resampling.LANCZOS),
        "three lobes",
        "ImageMagick, photo programs",
    ),
):
    add(
        _name,
        Recipe(
            (_family,),
            _strength,
            _imitates,
            "interpolations of Real-ESRGAN and of image programs",
            downscaling=_step,
        ),
    )
