"""Real-ESRGAN's second-order process (Wang et al., ICCVW 2021, arXiv 2107.10833)."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Generator, Tensor

from ..registry import DEGRADATION_REGISTRY
from .batched.real_esrgan import degrade_twice
from .checks import check_probability
from .correlate import Kernel, trimmed
from .families import SINC, union
from .frame_degradation import FrameDegradation
from .jpeg import JpegMethod
from .kernels import (
    FAMILIES,
    FAMILY_PROB,
    KernelMix,
    Names,
    Pair,
    Weights,
    check_kernel_size,
    random_cutoff,
    random_support,
    sinc_kernels,
)
from .operators import Filter, Jpeg, Operator, Size, resized_to
from .pipeline import Process, Step, Triple, blur_resize_noise, draw_modes
from .sampling import chance, spawn


@DEGRADATION_REGISTRY.register()
class RealESRGAN(FrameDegradation):
    """Real-ESRGAN's second-order process: blur, resize, noise and JPEG twice, and a sinc filter.

    Options have the names and defaults of the published option file. Unlike there, every parameter
    is drawn for each sample.

    Args:
        resize_prob: weights of enlarging, shrinking and keeping the size.
        resize_range: smallest and largest resize factor.
        gaussian_noise_prob: probability of Gaussian noise; Poisson noise otherwise.
        noise_range: range of the Gaussian sigma, in units of 1/255.
        poisson_scale_range: range of the strength of Poisson noise.
        gray_noise_prob: probability of the same noise in all channels.
        jpeg_range: range of the JPEG quality.
        second_blur_prob: probability of the second blur.
        resize_prob2: as resize_prob, for the second process.
        resize_range2: as resize_range, relative to the LQ size.
        gaussian_noise_prob2: as gaussian_noise_prob, for the second process.
        noise_range2: as noise_range, for the second process.
        poisson_scale_range2: as poisson_scale_range, for the second process.
        gray_noise_prob2: as gray_noise_prob, for the second process.
        jpeg_range2: as jpeg_range, for the second process.
        blur_kernel_size: largest side of the blur kernels, odd; sides start at 7.
        kernel_list: families of kernels.
        kernel_prob: weight of each family.
        sinc_prob: probability of a sinc filter in place of a blur kernel.
        blur_sigma: range of the kernels' standard deviations, in pixels.
        betag_range: range of the shape of generalized Gaussian kernels.
        betap_range: range of the shape of plateau kernels.
        blur_kernel_size2: as blur_kernel_size, for the second process and the last sinc filter.
        kernel_list2: as kernel_list, for the second process.
        kernel_prob2: as kernel_prob, for the second process.
        sinc_prob2: as sinc_prob, for the second process.
        blur_sigma2: as blur_sigma, for the second process.
        betag_range2: as betag_range, for the second process.
        betap_range2: as betap_range, for the second process.
        final_sinc_prob: probability of the last sinc filter.
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
        second_blur_prob: float = 0.8,
        resize_prob2: Triple = (0.3, 0.4, 0.3),
        resize_range2: Pair = (0.3, 1.2),
        gaussian_noise_prob2: float = 0.5,
        noise_range2: Pair = (1.0, 25.0),
        poisson_scale_range2: Pair = (0.05, 2.5),
        gray_noise_prob2: float = 0.4,
        jpeg_range2: Pair = (30.0, 95.0),
        blur_kernel_size: int = 21,
        kernel_list: Names = FAMILIES,
        kernel_prob: Weights = FAMILY_PROB,
        sinc_prob: float = 0.1,
        blur_sigma: Pair = (0.2, 3.0),
        betag_range: Pair = (0.5, 4.0),
        betap_range: Pair = (1.0, 2.0),
        blur_kernel_size2: int = 21,
        kernel_list2: Names = FAMILIES,
        kernel_prob2: Weights = FAMILY_PROB,
        sinc_prob2: float = 0.1,
        blur_sigma2: Pair = (0.2, 1.5),
        betag_range2: Pair = (0.5, 4.0),
        betap_range2: Pair = (1.0, 2.0),
        final_sinc_prob: float = 0.8,
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
        self.first = Process(
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
        kernels2 = KernelMix(
            blur_kernel_size2,
            kernel_list2,
            kernel_prob2,
            blur_sigma2,
            betag_range2,
            betap_range2,
            sinc_prob2,
            suffix="2",
        )
        self.second = Process(
            kernels2,
            second_blur_prob,
            resize_prob2,
            resize_range2,
            gaussian_noise_prob2,
            noise_range2,
            poisson_scale_range2,
            gray_noise_prob2,
            jpeg_range2,
            suffix="2",
        )
        self.final_sinc_prob = check_probability("final_sinc_prob", final_sinc_prob)
        self.final_kernel_size = check_kernel_size("blur_kernel_size2", blur_kernel_size2)

    @property
    def families(self) -> tuple[str, ...]:
        """What it may do to an image, see ``families``."""
        last = [SINC] if self.final_sinc_prob > 0 else []
        return union(self.first.families, self.second.families, last)

    def _draw(self, n: int, size: Size, generator: Generator) -> list[Sequence[Operator]]:
        first, second = self.first.draw(n, generator), self.second.draw(n, generator)
        sinc = self._draw_sinc(n, generator)
        jpeg_last = chance(n, 0.5, generator).tolist()
        modes = draw_modes(n, generator)
        draws = zip(first, second, sinc, jpeg_last, modes, spawn(n, generator), strict=True)
        return [self._operators(size, *draw) for draw in draws]

    def _draw_sinc(self, n: int, generator: Generator) -> list[Kernel | None]:
        support = random_support(n, self.final_kernel_size, generator)
        cutoff = random_cutoff(support, generator, wide=False)
        kernels = trimmed(sinc_kernels(self.final_kernel_size, support, cutoff))
        used = chance(n, self.final_sinc_prob, generator).tolist()
        return [kernel if wanted else None for kernel, wanted in zip(kernels, used, strict=True)]

    def _operators(
        self,
        size: Size,
        first: Step,
        second: Step,
        sinc: Kernel | None,
        jpeg_last: bool,
        mode: str,
        generator: Generator,
    ) -> list[Operator]:
        lq_size, method = self._lq_size(size), self.jpeg_method
        operators, size = blur_resize_noise(first, size, None, generator)
        operators.append(Jpeg(first.quality, method, size))
        again, size = blur_resize_noise(second, size, lq_size, generator)
        # Resizing and the sinc filter stay together: JPEG between them makes twisted lines.
        ending: list[Operator] = [resized_to(size, lq_size, mode)]
        if sinc is not None:
            ending.append(Filter(sinc, lq_size))
        if jpeg_last:
            ending.append(Jpeg(second.quality, method, lq_size))
        else:
            ending.insert(0, Jpeg(second.quality, method, size))
        return [*operators, *again, *ending]

    def _degrade_batch(self, frames: Tensor, generator: Generator) -> Tensor:
        sinc = self.final_kernel_size, self.final_sinc_prob
        return degrade_twice(
            frames, self.first, self.second, sinc, self.scale, self.jpeg_method, generator
        )
