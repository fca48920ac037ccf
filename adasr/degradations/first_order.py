"""The first-order half of Real-ESRGAN's process (Wang et al., ICCVW 2021, arXiv 2107.10833)."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Generator, Tensor

from ..registry import DEGRADATION_REGISTRY
from .batched.real_esrgan import degrade_once
from .frame_degradation import FrameDegradation
from .jpeg import JpegMethod
from .kernels import FAMILIES, FAMILY_PROB, KernelMix, Names, Pair, Weights
from .operators import Jpeg, Operator, Size, resized_to
from .pipeline import Process, Triple, blur_resize_noise, draw_modes
from .sampling import spawn


@DEGRADATION_REGISTRY.register()
class RealESRGANFirstOrder(FrameDegradation):
    """The first of Real-ESRGAN's two processes, then a resize to the LQ size.

    Blur, resize, noise and JPEG act once, with the options and defaults of ``RealESRGAN``.

    Args:
        resize_prob: weights of enlarging, shrinking and keeping the size.
        resize_range: smallest and largest resize factor, relative to the GT size.
        gaussian_noise_prob: probability of Gaussian noise; Poisson noise otherwise.
        noise_range: range of the Gaussian sigma, in units of 1/255.
        poisson_scale_range: range of the strength of Poisson noise.
        gray_noise_prob: probability of the same noise in all channels.
        jpeg_range: range of the JPEG quality.
        blur_kernel_size: largest side of the blur kernels, odd; sides start at 7.
        kernel_list: families of kernels.
        kernel_prob: weight of each family.
        sinc_prob: probability of a sinc filter in place of a blur kernel.
        blur_sigma: range of the kernels' standard deviations, in pixels.
        betag_range: range of the shape of generalized Gaussian kernels.
        betap_range: range of the shape of plateau kernels.
        gt_usm: sharpen the GT first; both the LQ and the target are made of the sharpened GT.
        jpeg_method: "codec" (libjpeg), "simulated" (the same on the device), "auto" (codec on a
            CPU) or "released" (the simulation that Real-ESRGAN was trained with).
        frame: GT pixels on each side of the image that is degraded, and a crop then cut out of.

    Raises:
        OptionError: a value out of range.
    """

    batched = True

    def __init__(
        self,
        scale: int,
        resize_prob: Triple = (0.2, 0.7, 0.1),
        resize_range: Pair = (0.15, 1.5),
        gaussian_noise_prob: float = 0.5,
        noise_range: Pair = (1.0, 30.0),
        poisson_scale_range: Pair = (0.05, 3.0),
        gray_noise_prob: float = 0.4,
        jpeg_range: Pair = (30.0, 95.0),
        blur_kernel_size: int = 21,
        kernel_list: Names = FAMILIES,
        kernel_prob: Weights = FAMILY_PROB,
        sinc_prob: float = 0.1,
        blur_sigma: Pair = (0.2, 3.0),
        betag_range: Pair = (0.5, 4.0),
        betap_range: Pair = (1.0, 2.0),
        gt_usm: bool = True,
        jpeg_method: JpegMethod = "auto",
        frame: int = 400,
    ) -> None:
        super().__init__(scale, gt_usm, jpeg_method, frame)
        kernels = KernelMix(
            blur_kernel_size,
            kernel_list,
            kernel_prob,
            blur_sigma,
            betag_range,
            betap_range,
            sinc_prob,
        )
        self.process = Process(
            kernels,
            1.0,
            resize_prob,
            resize_range,
            gaussian_noise_prob,
            noise_range,
            poisson_scale_range,
            gray_noise_prob,
            jpeg_range,
        )

    @property
    def families(self) -> tuple[str, ...]:
        """What it may do to an image, see ``families``."""
        return self.process.families

    def _draw(self, n: int, size: Size, generator: Generator) -> list[Sequence[Operator]]:
        steps, modes = self.process.draw(n, generator), draw_modes(n, generator)
        result = []
        for step, mode, noise in zip(steps, modes, spawn(n, generator), strict=True):
            operators, small = blur_resize_noise(step, size, None, noise)
            compress = Jpeg(step.quality, self.jpeg_method, small)
            result.append([*operators, compress, resized_to(small, self._lq_size(size), mode)])
        return result

    def _degrade_batch(self, frames: Tensor, generator: Generator) -> Tensor:
        return degrade_once(frames, self.process, self.scale, self.jpeg_method, generator)
