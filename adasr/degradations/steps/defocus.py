"""Blur of a lens out of focus."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from ...registry import STEP_REGISTRY
from ..checks import check_range
from ..families import DEFOCUS
from ..kernels import Pair
from ..recording import note
from .blur import add_filter
from .step import Sample, Step

_FINE = 9  # samples of the disc along the side of a pixel


@STEP_REGISTRY.register()
class DefocusBlur(Step):
    """Blur with an even disc, the image of a point through a round aperture out of focus.

    Args:
        radius_range: range of the disc's radius, in pixels.
        prob: probability of the step.
    """

    def __init__(self, radius_range: Pair = (0.5, 5.0), prob: float = 1.0) -> None:
        super().__init__(prob)
        self.radius_range = check_range("radius_range", radius_range, 0.1, 127)

    def draw(self, sample: Sample) -> None:
        """Filter with a drawn disc."""
        radius = sample.uniform(*self.radius_range)
        note("DefocusBlur", radius=f"{radius:.2f} px")
        add_filter(sample, disc_kernel(radius))

    @property
    def families(self) -> tuple[str, ...]:
        """Defocus."""
        return (DEFOCUS,)


def disc_kernel(radius: float) -> Tensor:
    """(1, k, k) float64: the share of a disc that falls on each pixel."""
    around = math.ceil(radius - 0.5)
    side = 2 * around + 1
    fine = (torch.arange(side * _FINE, dtype=torch.float64) + 0.5) / _FINE - side / 2
    disc = (fine[:, None].square() + fine.square() <= radius**2).double()
    kernel = F.avg_pool2d(disc[None], _FINE)
    return kernel / kernel.sum()
