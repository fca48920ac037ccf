"""Motion blur: a straight line, or the bent path of a shaking camera.

Each image has a direction (and a path) of its own. Lengths are those of ImageNet-C (Hendrycks and
Dietterich, ICLR 2019: radius 10 to 20) and of the kernels of Levin et al. (CVPR 2009: 13 to 27
pixels wide).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch

from ...families import MOTION_BLUR
from ...steps.motion import motion_kernel
from ..filtering import filter_exactly, whole_weights
from ..recipe import Recipe, add

_PARTS = 64


@dataclass(frozen=True)
class Motion:
    """Blur along a path of ``length`` pixels of the GT.

    Args:
        length: of the path.
        bend: standard deviation of the turn from end to end, in radians; 0 is a straight line.
    """

    length: float
    bend: float = 0.0

    def __call__(self, image: np.ndarray, random: np.random.RandomState) -> np.ndarray:
        """The blurred image."""
        start = random.random_sample() * math.pi
        turns = random.standard_normal(_PARTS) * (self.bend / math.sqrt(_PARTS))
        directions = torch.from_numpy(start + turns.cumsum())
        return filter_exactly(image, whole_weights(motion_kernel(self.length, directions)))


for _length, _severity in (
    (7, "milder than ImageNet-C"),
    (15, "ImageNet-C's radius"),
    (25, "Levin et al., CVPR 2009"),
):
    add(
        f"motion{_length}",
        Recipe(
            (MOTION_BLUR,),
            f"a line of {_length} px of the GT, any direction",
            "a moving car, a panning camera",
            f"{_severity}; direction per image",
            blur=Motion(float(_length)),
        ),
    )
for _length in (15, 31):
    add(
        f"shake{_length}",
        Recipe(
            (MOTION_BLUR,),
            f"a bent path of {_length} px of the GT",
            "a hand-held camera",
            "Boracchi and Foi, IEEE TIP 2012; Levin et al., CVPR 2009",
            blur=Motion(float(_length), bend=2.0),
        ),
    )
