"""Ringing and overshoot."""

from __future__ import annotations

import math

import torch

from ...registry import STEP_REGISTRY
from ..checks import check_range
from ..families import SINC
from ..kernels import Pair, sinc_kernels
from ..recording import note
from .blur import add_filter, check_odd_range
from .pointwise import Clamp
from .step import Sample, Step


@STEP_REGISTRY.register()
class Sinc(Step):
    """Circular low-pass filter that rings (Real-ESRGAN, section 3.3).

    Args:
        cutoff_range: range of the cut-off frequency, in radians up to pi.
        kernel_size: smallest and largest side of the kernel, both odd.
        prob: probability of the step.
    """

    def __init__(
        self,
        cutoff_range: Pair = (math.pi / 3, math.pi),
        kernel_size: tuple[int, int] = (7, 21),
        prob: float = 1.0,
    ) -> None:
        super().__init__(prob)
        self.cutoff_range = check_range("cutoff_range", cutoff_range, 0.1, math.pi)
        self.kernel_size = check_odd_range("kernel_size", kernel_size)

    def draw(self, sample: Sample) -> None:
        """Filter with a drawn kernel."""
        side, cutoff = sample.odd(*self.kernel_size), sample.uniform(*self.cutoff_range)
        note("Sinc", cutoff=f"{cutoff:.2f} rad", side=side)
        omega = torch.tensor([cutoff], dtype=torch.float64)
        add_filter(sample, sinc_kernels(side, torch.tensor([side]), omega))
        sample.add(Clamp())

    @property
    def families(self) -> tuple[str, ...]:
        """Ringing."""
        return (SINC,)
