"""Gaussian blur and every s-th pixel, the "direct" downsampler of SRMD and BSRGAN."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from ...errors import OptionError
from ...registry import STEP_REGISTRY
from ..families import GAUSSIAN_BLUR, NEAREST
from ..kernels import Pair
from ..recording import note
from .blur import GaussianStep, add_filter, told_gaussian
from .resize import resizing
from .step import Sample


@STEP_REGISTRY.register()
class DirectDownscale(GaussianStep):
    """Blur with a Gaussian and keep every s-th pixel, without interpolation.

    For an even factor the kernel is moved by half a pixel, so that the result stays in register
    with the GT.

    Args:
        blur_sigma: range of the standard deviations, in pixels before the downscaling.
        anisotropic: two standard deviations and a direction rather than one.
        uniform_in: whether standard deviations or variances are drawn uniformly.
        kernel_size: smallest and largest side of the kernel, both odd.
        factor: the factor; the scale by default.
        prob: probability of the step.
    """

    def __init__(
        self,
        blur_sigma: Pair = (0.2, 3.0),
        anisotropic: bool = False,
        uniform_in: Literal["sigma", "variance"] = "sigma",
        kernel_size: tuple[int, int] = (21, 21),
        factor: int | None = None,
        prob: float = 1.0,
    ) -> None:
        super().__init__(blur_sigma, anisotropic, uniform_in, kernel_size, prob)
        if factor is not None and factor < 1:
            raise OptionError(f"must be at least 1, got {factor}.", ("factor",))
        self.factor = factor

    def draw(self, sample: Sample) -> None:
        """Filter with a drawn kernel, then sample."""
        factor = self.factor or sample.scale
        side, sigma_x, sigma_y, theta = self.draw_gaussian(sample)
        note("DirectDownscale", factor=factor, sigma=told_gaussian(sigma_x, sigma_y, theta))
        offset = (factor - 1) / 2 - factor // 2
        add_filter(sample, shifted_gaussian(side, sigma_x, sigma_y, theta, offset))
        height, width = (max(1, length // factor) for length in sample.size)
        sample.add(resizing(sample.size, (height, width), "nearest"), (height, width))

    @property
    def families(self) -> tuple[str, ...]:
        """Blur and sampling."""
        return GAUSSIAN_BLUR, NEAREST


def shifted_gaussian(
    side: int, sigma_x: float, sigma_y: float, theta: float, offset: float
) -> Tensor:
    """(1, side, side) float64 Gaussian centred ``offset`` pixels from the middle on both axes."""
    axis = torch.arange(side, dtype=torch.float64) - side // 2 - offset
    angle = torch.tensor(theta, dtype=torch.float64)
    y, x = axis[:, None], axis[None]
    along = (angle.cos() * x + angle.sin() * y) / sigma_x
    across = (angle.cos() * y - angle.sin() * x) / sigma_y
    distance = along.square() + across.square()
    # The nearest pixel takes all where the others vanish in float64.
    kernel = (-0.5 * (distance - distance.min())).exp()
    return (kernel / kernel.sum())[None]
