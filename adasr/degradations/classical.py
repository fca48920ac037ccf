"""The classical degradation: Gaussian blur, downscaling, Gaussian noise."""

from __future__ import annotations

from ..registry import DEGRADATION_REGISTRY
from .checks import check_probability, check_range, check_scale
from .composed import StepsDegradation
from .kernels import Pair
from .steps.blur import GaussianBlur
from .steps.direct import DirectDownscale
from .steps.noise import GaussianNoise
from .steps.resize import ResizeToLQ
from .steps.step import Step
from .steps.structure import OneOf, Sequence


@DEGRADATION_REGISTRY.register()
class Classical(StepsDegradation):
    """Gaussian blur, bicubic or direct downscaling and white noise, as for SRMD and IKC.

    The defaults are the isotropic kernels of SRMD (Zhang et al., CVPR 2018) and IKC (Gu et al.,
    CVPR 2019): 21x21, sigma from 0.2 to the scale, bicubic downscaling, no noise. SRMD's full
    space has ``aniso_prob: 0.5`` and ``noise_range: [0, 75]``; at scale 1 it is plain deblurring.

    Args:
        blur_sigma: range of the standard deviations of isotropic kernels, in GT pixels; from 0.2
            to the scale by default.
        aniso_prob: probability of an anisotropic kernel.
        aniso_variance: range of its variances along its axes; from 0.5 to ``2 + 2 * scale`` by
            default (6, 8 and 10 at scales 2, 3 and 4, as SRMD).
        kernel_size: smallest and largest side of the kernels, both odd.
        direct_prob: probability of keeping every s-th pixel rather than bicubic downscaling.
        noise_range: range of the noise's sigma, in units of 1/255.
        gt_usm: sharpen the GT first; both the LQ and the target are made of the sharpened GT.
        frame: side in GT pixels of the image that is degraded, and a crop then cut out of.

    Raises:
        OptionError: a value out of range.
    """

    def __init__(
        self,
        scale: int,
        blur_sigma: Pair | None = None,
        aniso_prob: float = 0.0,
        aniso_variance: Pair | None = None,
        kernel_size: tuple[int, int] = (21, 21),
        direct_prob: float = 0.0,
        noise_range: Pair = (0.0, 0.0),
        gt_usm: bool = False,
        frame: int = 256,
    ) -> None:
        check_scale(scale)
        check_probability("aniso_prob", aniso_prob)
        check_probability("direct_prob", direct_prob)
        low, high = check_range("aniso_variance", aniso_variance or (0.5, 2.0 + 2.0 * scale), 1e-6)
        sigma = check_range("blur_sigma", blur_sigma or (0.2, float(scale)), 1e-3)
        aniso = (low**0.5, high**0.5)

        def downscaled(blur_sigma: Pair, anisotropic: bool) -> Step:
            uniform_in = "variance" if anisotropic else "sigma"
            blur = GaussianBlur(blur_sigma, anisotropic, uniform_in, kernel_size)
            bicubic = Sequence([blur, ResizeToLQ(("bicubic_antialias",))])
            direct = DirectDownscale(blur_sigma, anisotropic, uniform_in, kernel_size)
            return OneOf([direct, bicubic], weights=(direct_prob, 1 - direct_prob))

        kernels = OneOf(
            [downscaled(aniso, True), downscaled(sigma, False)],
            weights=(aniso_prob, 1 - aniso_prob),
        )
        noise = GaussianNoise(noise_range, gray_noise_prob=0.0)
        super().__init__(scale, [kernels, noise], gt_usm, "auto", frame)
