"""BSRGAN's degradation (Zhang et al., ICCV 2021, arXiv 2103.14006): a shuffled order."""

from __future__ import annotations

from ..registry import DEGRADATION_REGISTRY
from .checks import check_probability, check_range, check_scale
from .composed import StepsDegradation
from .jpeg import JpegMethod
from .kernels import Pair
from .steps.blur import GaussianBlur
from .steps.camera import CameraNoise
from .steps.direct import DirectDownscale
from .steps.jpeg import JPEG
from .steps.noise import GaussianNoise
from .steps.resize import Resize, ResizeToLQ
from .steps.step import Step
from .steps.structure import OneOf, Sequence, Shuffle

_INTERPOLATIONS = ("bilinear", "bicubic", "area")
_SMALLEST_SIGMA = 0.01


@DEGRADATION_REGISTRY.register()
class BSRGAN(StepsDegradation):
    """Two blurs, two downscalings, Gaussian, JPEG and camera noise in random order, then JPEG.

    Parameters are those of the authors' code, which for a scale s draws isotropic blur up to
    sigma ``2 + s / 5`` and anisotropic blur up to the variance ``4 + s``. Camera noise stands in
    for their learned camera pipeline, which their released training leaves out.

    Args:
        noise_range: range of the Gaussian sigma, in units of 1/255.
        gray_noise_prob: probability of the same noise in all channels.
        correlated_noise_prob: probability of noise with correlated channels.
        jpeg_range: range of the quality of both compressions.
        jpeg_prob: probability of the first compression; the last one is always done.
        camera_noise_prob: probability of camera noise; 0.25 in the paper.
        aniso_prob: probability that a blur is anisotropic.
        kernel_size: smallest and largest side of the blur kernels, both odd.
        direct_prob: probability that the first downscaling is blur and sampling.
        halve_prob: probability that the image is halved before all else, at scale 4.
        gt_usm: sharpen the GT first; both the LQ and the target are made of the sharpened GT.
        jpeg_method: "codec" (libjpeg), "simulated" (the same on the device), "auto" (codec on a
            CPU) or "released" (the simulation that Real-ESRGAN was trained with).
        frame: side in GT pixels of the image that is degraded, and a crop then cut out of.

    Raises:
        OptionError: a value out of range.
    """

    def __init__(
        self,
        scale: int,
        noise_range: Pair = (2.0, 25.0),
        gray_noise_prob: float = 0.4,
        correlated_noise_prob: float = 0.2,
        jpeg_range: Pair = (30.0, 95.0),
        jpeg_prob: float = 0.9,
        camera_noise_prob: float = 0.0,
        aniso_prob: float = 0.5,
        kernel_size: tuple[int, int] = (7, 25),
        direct_prob: float = 0.25,
        halve_prob: float = 0.25,
        gt_usm: bool = False,
        jpeg_method: JpegMethod = "auto",
        frame: int = 400,
    ) -> None:
        check_scale(scale)
        for key, value in (
            ("jpeg_prob", jpeg_prob),
            ("camera_noise_prob", camera_noise_prob),
            ("aniso_prob", aniso_prob),
            ("direct_prob", direct_prob),
            ("halve_prob", halve_prob),
        ):
            check_probability(key, value)
        noise_range = check_range("noise_range", noise_range, 0, 255)

        def shuffled(factor: int) -> Step:
            """The part in random order, on an image ``factor`` times larger than the LQ."""
            blur = _blur(factor, aniso_prob, kernel_size)
            return Shuffle(
                [
                    blur,
                    blur,
                    _first_downscaling(factor, direct_prob),
                    ResizeToLQ(_INTERPOLATIONS),
                    GaussianNoise(noise_range, gray_noise_prob, correlated_noise_prob),
                    JPEG(jpeg_range, prob=jpeg_prob),
                    CameraNoise(prob=camera_noise_prob),
                ],
                keep_order=(2, 3),
            )

        halve = OneOf(
            [
                Resize((0.5, 0.5), modes=_INTERPOLATIONS),
                Resize((0.5, 0.5), modes=("bicubic_antialias",)),
            ]
        )
        any_order = shuffled(scale)
        if scale == 4:
            halved = Sequence([halve, shuffled(2)])
            any_order = OneOf([halved, any_order], weights=(halve_prob, 1 - halve_prob))
        super().__init__(scale, [any_order, JPEG(jpeg_range)], gt_usm, jpeg_method, frame)


def _blur(factor: int, aniso_prob: float, kernel_size: tuple[int, int]) -> Step:
    iso = GaussianBlur((_SMALLEST_SIGMA, 2.0 + 0.2 * factor), kernel_size=kernel_size)
    aniso = GaussianBlur(
        (_SMALLEST_SIGMA, (4.0 + factor) ** 0.5),
        anisotropic=True,
        uniform_in="variance",
        kernel_size=kernel_size,
    )
    return OneOf([aniso, iso], weights=(aniso_prob, 1 - aniso_prob))


def _first_downscaling(factor: int, direct_prob: float) -> Step:
    interpolated = Resize((0.5 / factor, 1.0), uniform_in="divisor", modes=_INTERPOLATIONS)
    direct = DirectDownscale((0.1, max(0.1, 0.6 * factor)), kernel_size=(25, 25), factor=factor)
    return OneOf([direct, interpolated], weights=(direct_prob, 1 - direct_prob))
