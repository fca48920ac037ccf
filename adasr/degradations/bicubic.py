"""Plain bicubic downscaling, the degradation of classical super-resolution."""

from __future__ import annotations

import torch
from torch import Tensor

from ..registry import DEGRADATION_REGISTRY
from .checks import check_scale
from .pipeline import check_size, quantized
from .resize import bicubic_downscale


@DEGRADATION_REGISTRY.register()
class Bicubic:
    """Antialiased bicubic downscaling (Pillow's), rounded to 8 bits. Draws no random number.

    Its ``margin`` is two LQ pixels, the reach of the cubic kernel.

    Raises:
        OptionError: a scale below 1.
    """

    def __init__(self, scale: int) -> None:
        self.scale = check_scale(scale)
        self.margin = 2 * scale

    @torch.no_grad()
    def __call__(self, gt: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Degrade a batch.

        Args:
            gt: (N, 3, H, W) float32 in [0, 1]; H and W multiples of ``scale`` and larger than
                ``2 * margin``.
            generator: unused; here so that all degradations are called alike.

        Returns:
            lq (N, 3, h / scale, w / scale), whole 8-bit levels in [0, 1], and gt (N, 3, h, w),
            where ``h = H - 2 * margin``.

        Raises:
            ValueError: a batch of another shape.
        """
        check_size(gt, self.margin, self.scale)
        gt = gt.float()
        lq = quantized(bicubic_downscale(gt, self.scale))
        return lq[..., 2:-2, 2:-2], gt[..., self.margin : -self.margin, self.margin : -self.margin]
