"""Structural similarity (Wang, Bovik, Sheikh and Simoncelli, IEEE TIP 2004)."""

from __future__ import annotations

import cv2
import numpy as np
from torch import Tensor

from ..registry import METRIC_REGISTRY
from ..version import __version__
from .colour import score_channels
from .metric import Metric, MetricError

_WINDOW, _SIGMA = 11, 1.5
_K1, _K2 = 0.01, 0.03


def ssim(sr: Tensor, gt: Tensor, data_range: float = 255.0) -> float:
    """Mean SSIM (eqs. 12 and 13 of the paper) over the channels.

    The window is a Gaussian of 11x11 pixels and sigma 1.5; only positions where it lies wholly
    inside the image count; variances are divided by the window's sum, as in the authors' code.

    Args:
        sr: (C, H, W), float64 for exact scores.
        gt: the same shape.
        data_range: the largest difference there can be.

    Raises:
        MetricError: an image is smaller than the window.
    """
    height, width = sr.shape[-2:]
    if min(height, width) < _WINDOW:
        raise MetricError(f"ssim needs at least {_WINDOW}x{_WINDOW} pixels, got {width}x{height}.")
    scores = [
        _plane_ssim(*planes, data_range) for planes in zip(_arrays(sr), _arrays(gt), strict=True)
    ]
    return float(np.mean(scores))


def _arrays(image: Tensor) -> np.ndarray:
    return np.ascontiguousarray(image.detach().cpu().numpy())


def _plane_ssim(sr: np.ndarray, gt: np.ndarray, data_range: float) -> float:
    mean_sr, mean_gt = _local_mean(sr), _local_mean(gt)
    var_sr = _local_mean(sr * sr) - mean_sr**2
    var_gt = _local_mean(gt * gt) - mean_gt**2
    covariance = _local_mean(sr * gt) - mean_sr * mean_gt
    c1, c2 = (_K1 * data_range) ** 2, (_K2 * data_range) ** 2
    luminance = (2 * mean_sr * mean_gt + c1) / (mean_sr**2 + mean_gt**2 + c1)
    structure = (2 * covariance + c2) / (var_sr + var_gt + c2)
    return float((luminance * structure).mean())


def _local_mean(plane: np.ndarray) -> np.ndarray:
    """Gaussian-weighted mean of (H, W) at each position wholly inside.

    OpenCV's separable filter is ten times faster than a float64 convolution of torch on a CPU.
    """
    window = cv2.getGaussianKernel(_WINDOW, _SIGMA, cv2.CV_64F)
    edge = _WINDOW // 2
    return cv2.sepFilter2D(plane, -1, window, window)[edge:-edge, edge:-edge]


@METRIC_REGISTRY.register("ssim")
class SSIM(Metric):
    """Structural similarity, equal to BasicSR's ``calculate_ssim``: the mean over the channels.

    Args:
        crop_border: pixels left out on every side, usually the scale.
        test_y_channel: score the luma (Y of BT.601 YCbCr) instead of RGB.
        quantize: round both images to 8 bits first.
    """

    name = "ssim"

    def __init__(
        self, crop_border: int = 0, test_y_channel: bool = False, quantize: bool = True
    ) -> None:
        super().__init__(crop_border, quantize)
        self.test_y_channel = test_y_channel

    def score(self, sr: Tensor, gt: Tensor) -> float:
        """SSIM of two (C, H, W) images in [0, 1]."""
        y_only = self.test_y_channel
        return ssim(score_channels(sr, y_only), score_channels(gt, y_only))

    def protocol(self) -> dict[str, str | int | bool]:
        """Colour, border, rounding and implementation."""
        colour = "Y of BT.601 YCbCr" if self.test_y_channel else "RGB"
        return super().protocol() | {
            "colour": colour,
            "window": f"Gaussian {_WINDOW}x{_WINDOW}, sigma {_SIGMA}, inside only",
            "implementation": f"adasr {__version__}",
        }
