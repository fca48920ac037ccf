"""Bicubic interpolation as a network: the score every network has to beat."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import OptionError


class Bicubic(nn.Module):
    """Bicubic upscaling, equal to Pillow's and MATLAB's (a = -0.5) before rounding to 8 bits.

    Args:
        upscale: the factor, 1 or more.
    """

    size_multiple = 1
    default_sites: tuple[str, ...] = ()

    def __init__(self, upscale: int) -> None:
        super().__init__()
        if upscale < 1:
            raise OptionError(f"must be 1 or more, got {upscale}.", ("upscale",))
        self.upscale = upscale

    def forward(self, lq: Tensor) -> Tensor:
        """(N, C, h, w) in [0, 1] to (N, C, h * upscale, w * upscale) in [0, 1]."""
        size = [side * self.upscale for side in lq.shape[-2:]]
        # Antialiasing changes nothing in upscaling but the cubic: a = -0.5 with, -0.75 without.
        # Float32, since torch has no such kernel for bf16 on a CPU.
        sr = F.interpolate(
            lq.float(), size=size, mode="bicubic", align_corners=False, antialias=True
        )
        return sr.clamp(0, 1).to(lq.dtype)


def bicubic(upscale: int) -> Bicubic:
    """The baseline network for ``upscale``."""
    return Bicubic(upscale)
