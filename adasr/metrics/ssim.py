"""Structural similarity (Wang, Bovik, Sheikh and Simoncelli, IEEE TIP 2004)."""

from __future__ import annotations

import math
from functools import cache, partial

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..registry import METRIC_REGISTRY
from ..version import __version__
from .loops import HALF, ssim_sum
from .metric import MetricError, PixelMetric
from .pixels import band_sums, block_sums

_WINDOW, _SIGMA = 2 * HALF + 1, 1.5
_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2


@METRIC_REGISTRY.register("ssim")
class SSIM(PixelMetric):
    """Structural similarity, equal to BasicSR's ``calculate_ssim``: the mean over the channels.

    Eqs. 12 and 13 of the paper. The window is a Gaussian of 11x11 pixels and sigma 1.5; only
    positions where it lies wholly inside the image count; variances are divided by the window's
    sum, as in the authors' code.

    Args:
        crop_border: pixels left out on every side, usually the scale.
        test_y_channel: score the luma (Y of BT.601 YCbCr) instead of RGB.
        quantize: round both images to 8 bits first.
    """

    name = "ssim"

    def scores(self, sr: Tensor, gt: Tensor) -> list[float]:
        """SSIM of each pair of two checked and cropped batches (N, C, H, W).

        Raises:
            MetricError: images are smaller than the window.
        """
        height, width = sr.shape[-2:]
        if min(height, width) < _WINDOW:
            raise MetricError(
                f"ssim needs at least {_WINDOW}x{_WINDOW} pixels, got {width}x{height}."
            )
        how = (self.test_y_channel, self.quantize, 2 * HALF)
        if sr.device.type == "cpu":
            window = np.array(_window()[HALF:])
            sums = block_sums(sr, gt, *how, partial(ssim_sum, window=window, c1=_C1, c2=_C2))
        else:
            sums = band_sums(sr, gt, *how, _band_ssim)
        positions = (height - 2 * HALF) * (width - 2 * HALF)
        return [found * height * width / positions / self.values_of(sr) for found in sums]

    def protocol(self) -> dict[str, str | int | bool]:
        """Colour, border, rounding, window and implementation."""
        return super().protocol() | {
            "window": f"Gaussian {_WINDOW}x{_WINDOW}, sigma {_SIGMA}, inside only",
            "implementation": f"adasr {__version__}",
        }


@cache
def _window() -> tuple[float, ...]:
    """The Gaussian along one axis; its sum is 1."""
    values = [math.exp(-(x**2) / (2 * _SIGMA**2)) for x in range(-HALF, HALF + 1)]
    return tuple(value / math.fsum(values) for value in values)


def _band_ssim(a: Tensor, b: Tensor) -> Tensor:
    """Sum (N,) of SSIM over all positions of (N, C, h, W), float64."""
    count, channels = a.shape[:2]
    planes = torch.cat([a, b, a * a + b * b, a * b], dim=1).flatten(0, 1).unsqueeze(1)
    window = a.new_tensor(_window())
    planes = F.conv2d(planes, window.view(1, 1, 1, -1))
    planes = F.conv2d(planes, window.view(1, 1, -1, 1))
    mean_a, mean_b, square, product = planes.view(count, 4, channels, *planes.shape[-2:]).unbind(1)
    both, means = mean_a * mean_b, mean_a**2 + mean_b**2
    numerator = (2 * both + _C1) * (2 * (product - both) + _C2)
    return (numerator / ((means + _C1) * (square - means + _C2))).sum(dim=(1, 2, 3))
