"""Lossy WebP, the codec of today's web pages; its usual quality is 75 to 80."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image

from ....errors import OptionError
from ...families import WEBP
from ..recipe import Recipe, add

_LONGEST = 16383


@dataclass(frozen=True)
class Webp:
    """libwebp at its usual effort."""

    quality: int
    libraries = ("pillow", "libwebp (pillow)")

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """The image compressed and decompressed.

        Raises:
            OptionError: a side is longer than WebP can hold.
        """
        if max(image.shape[:2]) > _LONGEST:
            height, width = image.shape[:2]
            raise OptionError(
                f"WebP holds {_LONGEST} pixels a side, the LQ has {width}x{height}.", ("recipe",)
            )
        file = io.BytesIO()
        Image.fromarray(image).save(file, "WEBP", quality=self.quality, method=4)
        return np.asarray(Image.open(file).convert("RGB"))


for _quality, _source in (
    (50, "as strong as the papers' JPEG"),
    (25, "stronger than web pages use"),
    (5, "previews"),
):
    add(
        f"webp{_quality}",
        Recipe(
            (WEBP,),
            f"quality {_quality}",
            "pictures of web pages and messengers",
            _source,
            codec=Webp(_quality),
        ),
    )
