"""The eight degradations of Kong et al. (CVPR 2022) and Xu et al. (CVPR 2025), and more strengths.

The released set called noise20 holds noise of sigma 40; here it is what its name says, and
``noise40`` is what the released set holds.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from ...families import GAUSSIAN_BLUR, GAUSSIAN_NOISE, JPEG
from ...jpeg import jpeg_codec
from ..recipe import Recipe, add, mix

_PAPERS = "Kong et al., CVPR 2022; Xu et al., CVPR 2025"


@dataclass(frozen=True)
class GaussianBlur:
    """A window of five sigmas to each side; ``sigma`` in pixels of the GT."""

    sigma: float
    libraries = ("opencv",)

    def __call__(self, image: np.ndarray, _: np.random.RandomState) -> np.ndarray:
        """The blurred image."""
        side = int(self.sigma * 10) | 1
        return cv2.GaussianBlur(image, (side, side), self.sigma)


@dataclass(frozen=True)
class GaussianNoise:
    """White noise in each channel; ``sigma`` in units of 1/255."""

    sigma: float

    def __call__(self, image: np.ndarray, random: np.random.RandomState) -> np.ndarray:
        """The noisy image."""
        noise = random.standard_normal(image.shape) * self.sigma
        return (image + noise).round().clip(0, 255).astype(np.uint8)


@dataclass(frozen=True)
class JpegCodec:
    """libjpeg with halved chroma."""

    quality: int
    libraries = ("opencv", "libjpeg (opencv)")

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """The image compressed and decompressed."""
        return jpeg_codec(image, self.quality)


add("clean", Recipe(imitates="downscaling alone", source=_PAPERS))
for _sigma, _source in ((2, _PAPERS), (1, "weaker than the papers'"), (4, "stronger")):
    add(
        f"blur{_sigma}",
        Recipe(
            (GAUSSIAN_BLUR,),
            f"sigma {_sigma} px of the GT",
            "a soft lens, smoothing",
            _source,
            blur=GaussianBlur(float(_sigma)),
        ),
    )
for _sigma, _source in (
    (20, _PAPERS),
    (10, "weaker than the papers'"),
    (40, "what the papers' released set noise20 holds"),
):
    add(
        f"noise{_sigma}",
        Recipe(
            (GAUSSIAN_NOISE,),
            f"sigma {_sigma}/255",
            "a sensor's read noise",
            _source,
            noise=GaussianNoise(float(_sigma)),
        ),
    )
for _quality, _source in (
    (50, _PAPERS),
    (30, "the strongest of Real-ESRGAN's training"),
    (10, "beyond it; as in the removal of JPEG artefacts (ARCNN, ICCV 2015)"),
):
    add(
        f"jpeg{_quality}",
        Recipe(
            (JPEG,),
            f"quality {_quality}",
            "pictures of the web",
            _source,
            codec=JpegCodec(_quality),
        ),
    )
for _parts in (
    ("blur2", "noise20"),
    ("blur2", "jpeg50"),
    ("noise20", "jpeg50"),
    ("blur2", "noise20", "jpeg50"),
):
    mix(*_parts, imitates="several of them", source=_PAPERS)
