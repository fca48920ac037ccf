"""Blur, for training a deblurring network at scale 1."""

from __future__ import annotations

from ..registry import DEGRADATION_REGISTRY
from .checks import check_weights
from .composed import StepsDegradation
from .kernels import Pair
from .steps.blur import GaussianBlur
from .steps.defocus import DefocusBlur
from .steps.motion import MotionBlur
from .steps.noise import GaussianNoise
from .steps.structure import OneOf


@DEGRADATION_REGISTRY.register()
class Deblur(StepsDegradation):
    """Motion, defocus or Gaussian blur, and the little noise that makes deblurring hard.

    Camera shake follows Boracchi and Foi (IEEE TIP 2012), as in DeblurGAN (Kupyn et al., CVPR
    2018); defocus is the disc of a round aperture.

    Args:
        kind_prob: weights of motion, defocus and Gaussian blur.
        length_range: range of the length of the motion, in pixels.
        bend_range: range of its bending, the standard deviation of the turn from end to end in
            radians.
        radius_range: range of the radius of the defocus, in pixels.
        blur_sigma: range of the standard deviations of Gaussian blur, in pixels.
        noise_range: range of the sigma of the noise, in units of 1/255.
        frame: side in GT pixels of the image that is degraded, and a crop then cut out of.

    Raises:
        OptionError: a value out of range.
    """

    def __init__(
        self,
        scale: int,
        kind_prob: tuple[float, float, float] = (0.5, 0.25, 0.25),
        length_range: Pair = (3.0, 25.0),
        bend_range: Pair = (0.0, 2.0),
        radius_range: Pair = (0.5, 5.0),
        blur_sigma: Pair = (0.2, 3.0),
        noise_range: Pair = (0.0, 3.0),
        frame: int = 256,
    ) -> None:
        check_weights("kind_prob", kind_prob, 3, "of motion, defocus, Gaussian blur")
        kinds = [
            MotionBlur(length_range, bend_range),
            DefocusBlur(radius_range),
            GaussianBlur(blur_sigma, anisotropic=True),
        ]
        noise = GaussianNoise(noise_range, gray_noise_prob=0.0)
        super().__init__(scale, [OneOf(kinds, kind_prob), noise], False, "auto", frame)
