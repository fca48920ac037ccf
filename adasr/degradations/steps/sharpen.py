"""Oversharpened images."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ...registry import STEP_REGISTRY
from ..checks import check_range
from ..families import SHARPENING
from ..kernels import Pair
from ..operators import Size
from ..recording import note
from ..regions import Region
from ..sharpening import before_sharpening, sharpen
from .step import Sample, Step


@STEP_REGISTRY.register()
class USM(Step):
    """Unsharp masking, weaker or stronger than Real-ESRGAN's.

    Args:
        strength_range: range of the strength; 1 is Real-ESRGAN's.
        prob: probability of the step.
    """

    def __init__(self, strength_range: Pair = (0.5, 1.5), prob: float = 1.0) -> None:
        super().__init__(prob)
        self.strength_range = check_range("strength_range", strength_range, 0, 20)

    def draw(self, sample: Sample) -> None:
        """Sharpen with a drawn strength."""
        strength = sample.uniform(*self.strength_range)
        note("USM", strength=strength)
        sample.add(Sharpen(strength, sample.size))

    @property
    def families(self) -> tuple[str, ...]:
        """Sharpening."""
        return (SHARPENING,)


@dataclass(frozen=True)
class Sharpen:
    """``strength`` times what unsharp masking changes."""

    strength: float
    size: Size

    def before(self, region: Region) -> Region:
        """Under the window of its two blurs."""
        return before_sharpening(region, self.size)

    def __call__(self, image: Tensor, have: Region, want: Region) -> Tensor:
        """The sharpened part."""
        sharp = sharpen(image, have, want, self.size)
        return torch.lerp(want.cut(image, have), sharp, self.strength).clamp_(0, 1)
