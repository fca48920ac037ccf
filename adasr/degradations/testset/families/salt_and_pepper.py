"""Salt and pepper: single pixels of the LQ that are black or white in all channels.

ImageNet-C (Hendrycks and Dietterich, ICLR 2019) calls it impulse noise and draws channels apart, at
3 to 27 %; whole pixels are what dead sensors, bit errors and scanned film have.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...families import SALT_AND_PEPPER
from ..recipe import Recipe, add, random_words


@dataclass(frozen=True)
class SaltAndPepper:
    """``percent`` of the pixels, half of them black and half white."""

    percent: int

    def __call__(self, image: np.ndarray, random: np.random.RandomState) -> np.ndarray:
        """The image with the pixels put in."""
        word = random_words(random, image.shape[:2])
        each = self.percent * 2**32 // 200
        result = image.copy()
        result[word < each] = 0
        result[word >= 2**32 - each] = 255
        return result


for _percent, _source in (
    (2, "milder than ImageNet-C"),
    (6, "ImageNet-C's severity 2"),
    (17, "ImageNet-C's severity 4"),
):
    add(
        f"saltpepper{_percent}",
        Recipe(
            (SALT_AND_PEPPER,),
            f"{_percent} % of the pixels",
            "dead pixels, bit errors, dust on film",
            _source,
            noise=SaltAndPepper(_percent),
        ),
    )
