"""Noise of a camera's sensor."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from ...registry import STEP_REGISTRY
from ..checks import check_range
from ..families import CAMERA_NOISE, POISSON_NOISE
from ..kernels import Pair
from ..recording import note
from .pointwise import Pointwise
from .step import Sample, Step

# Logarithms of read against shot variance over many ISO settings (Brooks et al., CVPR 2019).
_SLOPE, _INTERCEPT, _SPREAD = 2.18, 1.20, 0.26


@STEP_REGISTRY.register()
class CameraNoise(Step):
    r"""Shot and read noise of a sensor, strong as at a random ISO setting.

    The Poissonian-Gaussian model (Foi et al., IEEE TIP 2008) in linear light:
    :math:`y \sim N(x, a x + b)`. ``a`` is log-uniform and ``b`` follows it as in real cameras
    (Brooks et al., CVPR 2019). The sRGB curve is undone before and done again after; there is no
    mosaic of colours.

    Args:
        shot_noise_range: range of ``a``, the variance of shot noise in white.
        prob: probability of the step.
    """

    def __init__(self, shot_noise_range: Pair = (1e-4, 0.012), prob: float = 1.0) -> None:
        super().__init__(prob)
        self.shot_noise_range = check_range("shot_noise_range", shot_noise_range, 1e-8, 1)

    def draw(self, sample: Sample) -> None:
        """Add noise at a drawn setting."""
        low, high = self.shot_noise_range
        log_shot = sample.uniform(math.log(low), math.log(high))
        log_read = _SLOPE * log_shot + _INTERCEPT + _SPREAD * float(sample.normal(1))
        shot, read = math.exp(log_shot), math.exp(log_read)
        note("CameraNoise", shot=f"{shot:.2g}", read=f"{read:.2g}")
        sample.add(SensorNoise(shot, read, sample.generator))

    @property
    def families(self) -> tuple[str, ...]:
        """Shot noise is part of it."""
        return CAMERA_NOISE, POISSON_NOISE


@dataclass(frozen=True)
class SensorNoise(Pointwise):
    """Noise of variance ``shot * x + read`` in linear light."""

    shot: float
    read: float
    generator: Generator

    def change(self, image: Tensor) -> Tensor:
        """The image with noise."""
        linear = to_linear(image.clamp(0, 1))
        noise = torch.randn(image.shape, generator=self.generator)
        noisy = linear + noise * (self.shot * linear + self.read).sqrt()
        return to_srgb(noisy.clamp(0, 1))


def to_linear(srgb: Tensor) -> Tensor:
    """Linear light of sRGB values in [0, 1] (IEC 61966-2-1)."""
    return torch.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


def to_srgb(linear: Tensor) -> Tensor:
    """sRGB values of linear light in [0, 1]."""
    curve = 1.055 * linear.clamp(min=0.0031308) ** (1 / 2.4) - 0.055
    return torch.where(linear <= 0.0031308, 12.92 * linear, curve)
