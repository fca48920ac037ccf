"""Speckle: noise that multiplies the image, as in ImageNet-C (Hendrycks and Dietterich, ICLR 2019).

Their strengths are 0.15, 0.2, 0.35, 0.45 and 0.6.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...families import SPECKLE
from ..recipe import Recipe, add


@dataclass(frozen=True)
class Speckle:
    """``y = x (1 + sigma n)`` with normal ``n`` in each channel; ``percent`` is 100 sigma."""

    percent: int

    def __call__(self, image: np.ndarray, random: np.random.RandomState) -> np.ndarray:
        """The noisy image."""
        noise = random.standard_normal(image.shape) * (self.percent / 100)
        return (image * (1 + noise)).round().clip(0, 255).astype(np.uint8)


for _percent, _severity in ((15, 1), (20, 2), (35, 3)):
    add(
        f"speckle{_percent}",
        Recipe(
            (SPECKLE,),
            f"sigma {_percent / 100:g} of the intensity",
            "radar, ultrasound, laser light",
            f"ImageNet-C's severity {_severity}",
            noise=Speckle(_percent),
        ),
    )
