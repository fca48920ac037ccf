"""Peak signal-to-noise ratio."""

from __future__ import annotations

import math

from torch import Tensor

from ..registry import METRIC_REGISTRY
from ..version import __version__
from .colour import score_channels
from .metric import Metric


def psnr(sr: Tensor, gt: Tensor, data_range: float = 255.0) -> float:
    """``10 log10(data_range^2 / MSE)`` over all elements, in dB; ``inf`` for equal tensors.

    Args:
        sr: any shape; computed in its own precision, so give float64 for exact scores.
        gt: the same shape.
        data_range: the largest difference there can be.
    """
    mse = (sr - gt).square().mean().item()
    return math.inf if mse == 0 else 10 * math.log10(data_range**2 / mse)


@METRIC_REGISTRY.register("psnr")
class PSNR(Metric):
    """Peak signal-to-noise ratio in dB, equal to BasicSR's ``calculate_psnr``.

    Identical images score ``inf``; a mean over images is the plain arithmetic one, so a single
    ``inf`` makes it ``inf``.

    Args:
        crop_border: pixels left out on every side, usually the scale.
        test_y_channel: score the luma (Y of BT.601 YCbCr) instead of RGB.
        quantize: round both images to 8 bits first.
    """

    name = "psnr"
    unit = "dB"

    def __init__(
        self, crop_border: int = 0, test_y_channel: bool = False, quantize: bool = True
    ) -> None:
        super().__init__(crop_border, quantize)
        self.test_y_channel = test_y_channel

    def score(self, sr: Tensor, gt: Tensor) -> float:
        """PSNR of two (C, H, W) images in [0, 1]."""
        y_only = self.test_y_channel
        return psnr(score_channels(sr, y_only), score_channels(gt, y_only))

    def protocol(self) -> dict[str, str | int | bool]:
        """Colour, border, rounding and implementation."""
        colour = "Y of BT.601 YCbCr" if self.test_y_channel else "RGB"
        return super().protocol() | {"colour": colour, "implementation": f"adasr {__version__}"}
