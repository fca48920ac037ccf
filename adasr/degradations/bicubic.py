"""Plain bicubic downscaling, the degradation of classical super-resolution."""

from __future__ import annotations

import torch
from torch import Tensor

from ..registry import DEGRADATION_REGISTRY
from .checks import check_scale
from .families import BICUBIC
from .levels import as_float, quantized
from .pipeline import check_size, middle
from .resize import bicubic_downscale


@DEGRADATION_REGISTRY.register()
class Bicubic:
    """Antialiased bicubic downscaling (Pillow's), rounded to 8 bits. Draws no random number.

    Crops are cut out of the middle of frames that are two LQ pixels larger on every side, the reach
    of the cubic kernel.

    Raises:
        OptionError: a scale below 1.
    """

    def __init__(self, scale: int) -> None:
        self.scale = check_scale(scale)
        self.margin = 2 * scale

    @property
    def families(self) -> tuple[str, ...]:
        """What it does to an image, see ``families``."""
        return (BICUBIC,)

    def frame_size(self, gt_size: int) -> int:
        """Side of the frames for crops of ``gt_size``."""
        return gt_size + 2 * self.margin

    @torch.no_grad()
    def __call__(
        self, frames: Tensor, generator: torch.Generator, gt_size: int | None = None
    ) -> tuple[Tensor, Tensor]:
        """Degrade a batch.

        Args:
            frames: (N, 3, H, W), uint8 or floats in [0, 1]; H and W multiples of ``scale`` and
                larger than ``2 * margin``.
            generator: unused; here so that all degradations are called alike.
            gt_size: side of the crops; None takes all but the margin.

        Returns:
            lq (N, 3, h / scale, w / scale), whole 8-bit levels in [0, 1], and gt (N, 3, h, w),
            where ``h`` is ``gt_size`` or ``H - 2 * margin``.

        Raises:
            ValueError: a batch of another shape, or NaN in it.
        """
        check_size(frames, self.margin, self.scale)
        if frames.is_floating_point() and not bool(frames.sum().isfinite()):
            raise ValueError("the GT holds NaN or infinite values")
        gt = as_float(middle(frames, gt_size, self.margin, self.scale))
        lq = quantized(bicubic_downscale(gt, self.scale))
        return lq[..., 2:-2, 2:-2], gt[..., self.margin : -self.margin, self.margin : -self.margin]
