"""Gaussian and Poisson noise."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from ...errors import OptionError
from ...registry import STEP_REGISTRY
from .. import operators
from ..checks import check_probability, check_range
from ..families import GAUSSIAN_NOISE, POISSON_NOISE
from ..kernels import Pair
from ..recording import note
from .pointwise import Pointwise
from .step import Sample, Step


@STEP_REGISTRY.register()
class GaussianNoise(Step):
    """Zero-mean normal noise.

    Args:
        noise_range: range of the standard deviation, in units of 1/255.
        gray_noise_prob: probability of the same noise in all channels.
        correlated_noise_prob: probability of noise with a random covariance of the channels, whose
            largest variance is drawn up to the square of the range's end (Zhang et al., ICCV 2021).
        prob: probability of the step.
    """

    def __init__(
        self,
        noise_range: Pair = (1.0, 30.0),
        gray_noise_prob: float = 0.4,
        correlated_noise_prob: float = 0.0,
        prob: float = 1.0,
    ) -> None:
        super().__init__(prob)
        self.noise_range = check_range("noise_range", noise_range, 0, 255)
        self.gray_noise_prob = check_probability("gray_noise_prob", gray_noise_prob)
        self.correlated_noise_prob = check_probability(
            "correlated_noise_prob", correlated_noise_prob
        )
        if gray_noise_prob + correlated_noise_prob > 1 + 1e-9:
            raise OptionError(
                f"makes more than 1 together with gray_noise_prob {gray_noise_prob:g}.",
                ("correlated_noise_prob",),
            )

    def draw(self, sample: Sample) -> None:
        """Add noise of a drawn strength."""
        sigma, kind = sample.uniform(*self.noise_range), sample.uniform(0, 1)
        if kind < self.correlated_noise_prob:
            self._draw_correlated(sample)
            return
        gray = kind < self.correlated_noise_prob + self.gray_noise_prob
        note("GaussianNoise", sigma=sigma, kind="gray" if gray else "colour")
        sample.add(operators.GaussianNoise(sigma, gray, sample.generator))

    def _draw_correlated(self, sample: Sample) -> None:
        """Noise whose covariance has random axes and random variances along them."""
        axes = torch.linalg.qr(sample.normal(9).view(3, 3))[0]
        variances = torch.rand(3, generator=sample.generator, dtype=torch.float64)
        root = axes * (variances.sqrt() * self.noise_range[1] / 255)
        sigma = 255 * float(root.square().sum(1).mean().sqrt())
        note("GaussianNoise", sigma=sigma, kind="correlated")
        sample.add(CorrelatedNoise(root.float(), sample.generator))

    @property
    def families(self) -> tuple[str, ...]:
        """Normal noise, if there is any."""
        return (GAUSSIAN_NOISE,) if self.noise_range[1] > 0 else ()


@dataclass(frozen=True)
class CorrelatedNoise(Pointwise):
    """Normal noise, clamped to [0, 1], of the covariance ``root @ root.T`` of the channels."""

    root: Tensor
    generator: Generator

    def change(self, image: Tensor) -> Tensor:
        """The image with noise."""
        noise = torch.randn(image.shape, generator=self.generator)
        return torch.einsum("dc,chw->dhw", self.root, noise).add_(image).clamp_(0, 1)


@STEP_REGISTRY.register()
class PoissonNoise(Step):
    """Shot noise, whose variance grows with the intensity (Real-ESRGAN, section 3.1).

    Args:
        poisson_scale_range: range of the strength.
        gray_noise_prob: probability of the same noise in all channels.
        prob: probability of the step.
    """

    def __init__(
        self,
        poisson_scale_range: Pair = (0.05, 3.0),
        gray_noise_prob: float = 0.4,
        prob: float = 1.0,
    ) -> None:
        super().__init__(prob)
        self.poisson_scale_range = check_range("poisson_scale_range", poisson_scale_range, 0, 100)
        self.gray_noise_prob = check_probability("gray_noise_prob", gray_noise_prob)

    def draw(self, sample: Sample) -> None:
        """Add noise of a drawn strength."""
        scale = sample.uniform(*self.poisson_scale_range)
        gray = sample.chance(self.gray_noise_prob)
        note("PoissonNoise", scale=scale, kind="gray" if gray else "colour")
        sample.add(operators.PoissonNoise(scale, gray, sample.generator))

    @property
    def families(self) -> tuple[str, ...]:
        """Shot noise, if there is any."""
        return (POISSON_NOISE,) if self.poisson_scale_range[1] > 0 else ()
