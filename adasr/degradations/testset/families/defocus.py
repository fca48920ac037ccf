"""Defocus: an even disc, as in ImageNet-C (Hendrycks and Dietterich, ICLR 2019: radius 3 to 10)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...families import DEFOCUS
from ...steps.defocus import disc_kernel
from ..filtering import filter_exactly, whole_weights
from ..recipe import Recipe, add


@dataclass(frozen=True)
class Defocus:
    """Blur with a disc; ``radius`` in pixels of the GT."""

    radius: float

    def __call__(self, image: np.ndarray, _: np.random.RandomState) -> np.ndarray:
        """The blurred image."""
        return filter_exactly(image, whole_weights(disc_kernel(self.radius)))


for _radius, _source in (
    (2, "milder than ImageNet-C"),
    (4, "ImageNet-C's severity 2"),
    (6, "ImageNet-C's severity 3"),
):
    add(
        f"defocus{_radius}",
        Recipe(
            (DEFOCUS,),
            f"a disc of radius {_radius} px of the GT",
            "a lens out of focus",
            _source,
            blur=Defocus(float(_radius)),
        ),
    )
