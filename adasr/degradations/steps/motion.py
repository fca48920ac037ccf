"""Blur of a shaking camera."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ...registry import STEP_REGISTRY
from ..checks import check_range
from ..families import MOTION_BLUR
from ..kernels import Pair
from ..recording import note
from .blur import add_filter
from .step import Sample, Step

_POINTS = 64


@STEP_REGISTRY.register()
class MotionBlur(Step):
    """Blur along the random path of a shaking camera.

    A simplified form of the random trajectories of Boracchi and Foi (IEEE TIP 2012): a point moves
    at constant speed, its direction does a random walk. The path's centre of mass lies on the
    pixel, so that the blurred image stays in register with its GT.

    Args:
        length_range: range of the path's length, in pixels.
        bend_range: range of the direction's change from end to end, its standard deviation in
            radians; 0 is a straight line.
        prob: probability of the step.
    """

    def __init__(
        self,
        length_range: Pair = (3.0, 25.0),
        bend_range: Pair = (0.0, 2.0),
        prob: float = 1.0,
    ) -> None:
        super().__init__(prob)
        self.length_range = check_range("length_range", length_range, 0, 255)
        self.bend_range = check_range("bend_range", bend_range, 0, 100)

    def draw(self, sample: Sample) -> None:
        """Filter with a drawn path."""
        length, bend = sample.uniform(*self.length_range), sample.uniform(*self.bend_range)
        start = sample.angle()
        walk = sample.normal(_POINTS) * (bend / math.sqrt(_POINTS))
        told = f"{length:.1f} px at {math.degrees(start):.0f}°"
        note("MotionBlur", length=told, bend=bend)
        add_filter(sample, motion_kernel(length, start + walk.cumsum(0)))

    @property
    def families(self) -> tuple[str, ...]:
        """Motion."""
        return (MOTION_BLUR,)


def motion_kernel(length: float, directions: Tensor) -> Tensor:
    """(1, k, k) kernel of a path, its centre of mass in the middle.

    Args:
        length: of the path, in pixels.
        directions: (P,) float64 radians, one for each of the path's P equal parts.
    """
    # More points than parts, so that a long path is a line and not a row of dots.
    each = max(1, math.ceil(4 * length / len(directions)))
    directions = directions.repeat_interleave(each)
    stride = length / len(directions)
    steps = torch.stack([directions.sin(), directions.cos()]) * stride
    # Points are the middles of the parts: their spread is that of the path.
    points = steps.cumsum(1) - steps / 2
    points = points - points.mean(1, keepdim=True)
    # No point of a path is further than half its length from its centre of mass.
    radius = math.ceil(length / 2) + 1
    side = 2 * radius + 1
    whole = points.floor()
    (down, right), (y, x) = points - whole, (whole + radius).long()
    kernel = torch.zeros(side * side, dtype=torch.float64)
    for dy, wy in ((0, 1 - down), (1, down)):
        for dx, wx in ((0, 1 - right), (1, right)):
            kernel.index_add_(0, (y + dy) * side + x + dx, wy * wx)
    return (kernel / kernel.sum()).view(1, side, side)
