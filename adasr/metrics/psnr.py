"""Peak signal-to-noise ratio."""

from __future__ import annotations

import math

from torch import Tensor

from ..registry import METRIC_REGISTRY
from ..version import __version__
from .loops import squared_error
from .metric import PixelMetric
from .pixels import band_sums, block_sums


def psnr(sr: Tensor, gt: Tensor, data_range: float = 255.0) -> float:
    """``10 log10(data_range^2 / MSE)`` over all elements, in dB; ``inf`` for equal tensors.

    Args:
        sr: any shape; computed in its own precision, so give float64 for exact scores.
        gt: the same shape.
        data_range: the largest difference there can be.
    """
    return _decibels((sr - gt).square().mean().item(), data_range)


def _decibels(mse: float, data_range: float = 255.0) -> float:
    return math.inf if mse == 0 else 10 * math.log10(data_range**2 / mse)


@METRIC_REGISTRY.register("psnr")
class PSNR(PixelMetric):
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

    def scores(self, sr: Tensor, gt: Tensor) -> list[float]:
        """PSNR of each pair of two checked and cropped batches (N, C, H, W)."""
        how = (self.test_y_channel, self.quantize, 0)
        if sr.device.type == "cpu":
            sums = block_sums(sr, gt, *how, squared_error)
        else:
            sums = band_sums(sr, gt, *how, lambda a, b: (a - b).square_().sum(dim=(1, 2, 3)))
        return [_decibels(found / self.values_of(sr)) for found in sums]

    def protocol(self) -> dict[str, str | int | bool]:
        """Colour, border, rounding and implementation."""
        return super().protocol() | {"implementation": f"adasr {__version__}"}
