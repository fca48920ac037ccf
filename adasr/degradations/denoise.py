"""Noise alone, for training a blind denoiser at scale 1."""

from __future__ import annotations

from ..registry import DEGRADATION_REGISTRY
from .checks import check_weights
from .composed import StepsDegradation
from .kernels import Pair
from .steps.camera import CameraNoise
from .steps.noise import GaussianNoise, PoissonNoise
from .steps.structure import OneOf


@DEGRADATION_REGISTRY.register()
class Denoise(StepsDegradation):
    """Gaussian, Poisson or camera noise of a random strength.

    Gaussian noise has the blind range of DnCNN-B (Zhang et al., IEEE TIP 2017), Poisson noise is
    Real-ESRGAN's (Wang et al., ICCVW 2021), camera noise that of Brooks et al. (CVPR 2019).
    ``kind_prob: [1, 0, 0]`` leaves the classical task of blind Gaussian denoising.

    Args:
        kind_prob: weights of Gaussian, Poisson and camera noise.
        noise_range: range of the Gaussian sigma, in units of 1/255.
        poisson_scale_range: range of the strength of Poisson noise.
        shot_noise_range: range of the variance of the camera's shot noise in white.
        gray_noise_prob: probability of the same Gaussian or Poisson noise in all channels.
        frame: side in GT pixels of the image that is degraded, at least that of the crop; noise
            needs no more.

    Raises:
        OptionError: a value out of range.
    """

    def __init__(
        self,
        scale: int,
        kind_prob: tuple[float, float, float] = (0.5, 0.2, 0.3),
        noise_range: Pair = (0.0, 55.0),
        poisson_scale_range: Pair = (0.05, 3.0),
        shot_noise_range: Pair = (1e-4, 0.012),
        gray_noise_prob: float = 0.0,
        frame: int = 1,
    ) -> None:
        check_weights("kind_prob", kind_prob, 3, "of Gaussian, Poisson, camera noise")
        kinds = [
            GaussianNoise(noise_range, gray_noise_prob),
            PoissonNoise(poisson_scale_range, gray_noise_prob),
            CameraNoise(shot_noise_range),
        ]
        super().__init__(scale, [OneOf(kinds, kind_prob)], False, "auto", frame)
