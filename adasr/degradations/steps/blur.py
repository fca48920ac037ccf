"""Blur by the kernels of Real-ESRGAN, and by plain Gaussians."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from ...errors import OptionError
from ...registry import STEP_REGISTRY
from ..checks import check_range
from ..correlate import trimmed
from ..families import GAUSSIAN_BLUR
from ..kernels import FAMILIES, FAMILY_PROB, KernelMix, Names, Pair, Weights, gaussian_kernels
from ..operators import Filter
from ..recording import listening, note
from .pointwise import Clamp
from .step import Sample, Step


@STEP_REGISTRY.register()
class Blur(Step):
    """Blur with the kernel families of Real-ESRGAN (Wang et al., ICCVW 2021, section 3.1).

    Args:
        blur_kernel_size: largest side of the kernels, odd; sides start at 7.
        kernel_list: families of kernels.
        kernel_prob: weight of each family.
        blur_sigma: range of the standard deviations, in pixels.
        betag_range: range of the shape of generalized Gaussian kernels.
        betap_range: range of the shape of plateau kernels.
        sinc_prob: probability of a sinc filter in place of a blur kernel.
        prob: probability of the step.
    """

    def __init__(
        self,
        blur_kernel_size: int = 21,
        kernel_list: Names = FAMILIES,
        kernel_prob: Weights = FAMILY_PROB,
        blur_sigma: Pair = (0.2, 3.0),
        betag_range: Pair = (0.5, 4.0),
        betap_range: Pair = (1.0, 2.0),
        sinc_prob: float = 0.1,
        prob: float = 1.0,
    ) -> None:
        super().__init__(prob)
        self.kernels = KernelMix(
            blur_kernel_size,
            kernel_list,
            kernel_prob,
            blur_sigma,
            betag_range,
            betap_range,
            sinc_prob,
        )

    def draw(self, sample: Sample) -> None:
        """Filter with a drawn kernel."""
        kernel = self.kernels.draw(1, sample.generator)
        if listening():
            # Only sinc kernels go below 0; the widths of the others tell what they do.
            widths = " x ".join(f"{w:.2f}" for w in kernel_widths(kernel[0]))
            note("Blur", **({"kernel": "sinc"} if kernel.min() < 0 else {"widths": f"{widths} px"}))
        add_filter(sample, kernel)
        if kernel.min() < 0:
            sample.add(Clamp())

    @property
    def families(self) -> tuple[str, ...]:
        """Those of the kernels that can be drawn."""
        return self.kernels.families


class GaussianStep(Step):
    """What steps with a Gaussian share: its options and how it is drawn."""

    def __init__(
        self,
        blur_sigma: Pair,
        anisotropic: bool,
        uniform_in: Literal["sigma", "variance"],
        kernel_size: tuple[int, int],
        prob: float,
    ) -> None:
        super().__init__(prob)
        self.blur_sigma = check_range("blur_sigma", blur_sigma, 1e-3, 100)
        self.anisotropic, self.uniform_in = anisotropic, check_uniform_in(uniform_in)
        self.kernel_size = check_odd_range("kernel_size", kernel_size)

    @property
    def families(self) -> tuple[str, ...]:
        """A Gaussian."""
        return (GAUSSIAN_BLUR,)

    def draw_gaussian(self, sample: Sample) -> tuple[int, float, float, float]:
        """Side of the kernel, both standard deviations and the angle of the first, in radians."""
        side = sample.odd(*self.kernel_size)
        sigma_x = self._draw_sigma(sample)
        sigma_y = self._draw_sigma(sample) if self.anisotropic else sigma_x
        return side, sigma_x, sigma_y, sample.angle() if self.anisotropic else 0.0

    def _draw_sigma(self, sample: Sample) -> float:
        low, high = self.blur_sigma
        if self.uniform_in == "variance":
            return sample.uniform(low**2, high**2) ** 0.5
        return sample.uniform(low, high)


@STEP_REGISTRY.register()
class GaussianBlur(GaussianStep):
    """Blur with an isotropic or a rotated anisotropic Gaussian.

    Args:
        blur_sigma: range of the standard deviations, in pixels.
        anisotropic: two standard deviations and a direction rather than one.
        uniform_in: whether standard deviations or variances are drawn uniformly.
        kernel_size: smallest and largest side of the kernel, both odd.
        prob: probability of the step.
    """

    def __init__(
        self,
        blur_sigma: Pair = (0.2, 3.0),
        anisotropic: bool = False,
        uniform_in: Literal["sigma", "variance"] = "sigma",
        kernel_size: tuple[int, int] = (7, 21),
        prob: float = 1.0,
    ) -> None:
        super().__init__(blur_sigma, anisotropic, uniform_in, kernel_size, prob)

    def draw(self, sample: Sample) -> None:
        """Filter with a drawn kernel."""
        side, sigma_x, sigma_y, theta = self.draw_gaussian(sample)
        note("GaussianBlur", sigma=told_gaussian(sigma_x, sigma_y, theta), side=side)
        add_filter(sample, gaussian_kernel(side, sigma_x, sigma_y, theta))


def add_filter(sample: Sample, kernel: Tensor) -> None:
    """Filter with a (1, k, k) kernel."""
    sample.add(Filter(trimmed(kernel)[0], sample.size))


def told_gaussian(sigma_x: float, sigma_y: float, theta: float) -> str:
    """A Gaussian in words, for the notes."""
    if sigma_x == sigma_y:
        return f"{sigma_x:.2f} px"
    return f"{sigma_x:.2f} x {sigma_y:.2f} px at {math.degrees(theta):.0f}°"


def gaussian_kernel(side: int, sigma_x: float, sigma_y: float, theta: float) -> Tensor:
    """(1, side, side) float64, normalized."""
    x, y, angle = (torch.tensor([v], dtype=torch.float64) for v in (sigma_x, sigma_y, theta))
    return gaussian_kernels(side, torch.tensor([side]), x, y, angle)


def kernel_widths(kernel: Tensor) -> tuple[float, float]:
    """Standard deviations of a (k, k) kernel along its two principal axes, the longer one first."""
    side = torch.arange(kernel.shape[-1], dtype=torch.float64) - kernel.shape[-1] // 2
    weight = kernel.double().cpu()
    x, y = weight.sum(0), weight.sum(1)
    xx, yy = (x * side**2).sum() - (x @ side) ** 2, (y * side**2).sum() - (y @ side) ** 2
    xy = side @ weight @ side - (x @ side) * (y @ side)
    covariance = torch.stack([torch.stack([xx, xy]), torch.stack([xy, yy])])
    short, long = torch.linalg.eigvalsh(covariance).clamp(min=0).sqrt().tolist()
    return long, short


def check_odd_range(key: str, value: tuple[int, int]) -> tuple[int, int]:
    """Two rising odd numbers from 3 to 255."""
    low, high = (int(v) for v in check_range(key, value, 3, 255))
    for i, side in enumerate((low, high)):
        if side % 2 == 0:
            raise OptionError(f"must be odd, got {side}.", (key, i), f"Use {side + 1}.")
    return low, high


def check_uniform_in(value: Literal["sigma", "variance"]) -> Literal["sigma", "variance"]:
    """One of the two words, also where Python gives it."""
    if value not in ("sigma", "variance"):
        raise OptionError(f"expected 'sigma' or 'variance', got {value!r}.", ("uniform_in",))
    return value
