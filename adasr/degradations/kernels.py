r"""Blur kernels of Real-ESRGAN (Wang et al., ICCVW 2021, arXiv 2107.10833, section 3.1).

All are (N, k, k) tensors that sum to 1, one kernel for each sample. ``support`` is the odd side a
sample's own kernel has inside the k x k canvas; outside it the kernel is zero.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from ..errors import OptionError, did_you_mean
from .checks import check_probability, check_range, check_weights
from .families import GAUSSIAN_BLUR, GENERALIZED_BLUR, PLATEAU_BLUR, SINC, union
from .sampling import chance, choice, uniform

FAMILIES = (
    "iso",
    "aniso",
    "generalized_iso",
    "generalized_aniso",
    "plateau_iso",
    "plateau_aniso",
)
FAMILY_PROB = (0.45, 0.25, 0.12, 0.03, 0.12, 0.03)
SMALLEST = 7
_KINDS = {
    "iso": GAUSSIAN_BLUR,
    "aniso": GAUSSIAN_BLUR,
    "generalized_iso": GENERALIZED_BLUR,
    "generalized_aniso": GENERALIZED_BLUR,
    "plateau_iso": PLATEAU_BLUR,
    "plateau_aniso": PLATEAU_BLUR,
}

Names = tuple[str, ...]
Pair = tuple[float, float]
Weights = tuple[float, ...]


def gaussian_kernels(
    canvas: int,
    support: Tensor,
    sigma_x: Tensor,
    sigma_y: Tensor,
    theta: Tensor,
    beta: Tensor | float = 1.0,
) -> Tensor:
    r"""Generalized Gaussians, :math:`k \propto \exp(-\frac{1}{2} (C^T \Sigma^{-1} C)^\beta)`.

    Args:
        canvas: odd side k of the result.
        support: (N,) odd sides of the kernels, at most ``canvas``.
        sigma_x: (N,) standard deviations in pixels along the first axis, above 0.
        sigma_y: (N,) the same along the second axis; equal to ``sigma_x`` for an isotropic kernel.
        theta: (N,) angles of the first axis in radians.
        beta: (N,) shapes; 1 is the normal distribution.

    Returns:
        (N, k, k), of the dtype of ``sigma_x``.
    """
    distance = _mahalanobis(canvas, sigma_x, sigma_y, theta)
    return _normalized((-0.5 * distance ** _column(beta)).exp(), support)


def sinc_kernels(canvas: int, support: Tensor, cutoff: Tensor) -> Tensor:
    r"""Circular low-pass filters, which ring and overshoot.

    .. math:: k(i, j) \propto \frac{\omega}{2 \pi r} J_1(\omega r), \quad r = \sqrt{i^2 + j^2}

    Args:
        canvas: odd side k of the result.
        support: (N,) odd sides of the kernels, at most ``canvas``.
        cutoff: (N,) cut-off frequencies in radians, in (0, pi].

    Returns:
        (N, k, k), of the dtype of ``cutoff``.
    """
    return _normalized(_rings(canvas, cutoff), support)


def mixed_kernels(
    canvas: int,
    support: Tensor,
    sigma_x: Tensor,
    sigma_y: Tensor,
    theta: Tensor,
    beta: Tensor,
    plateau: Tensor,
    sinc: Tensor,
    cutoff: Tensor,
) -> Tensor:
    r"""One of three families for each sample, what they have in common computed once.

    Beside generalized Gaussians and sinc filters, these are plateau-shaped kernels,
    :math:`k \propto 1 / (1 + (C^T \Sigma^{-1} C)^\beta)`.

    Args:
        canvas: as for ``gaussian_kernels``, like all that are not named here.
        support: see there.
        sigma_x: see there.
        sigma_y: see there.
        theta: see there.
        beta: see there.
        plateau: (N,) booleans: plateau-shaped.
        sinc: (N,) booleans: a sinc filter, whatever ``plateau`` says.
        cutoff: (N,) cut-off frequencies of sinc filters, see ``sinc_kernels``.

    Returns:
        (N, k, k), of the dtype of ``sigma_x``.
    """
    power = _mahalanobis(canvas, sigma_x, sigma_y, theta) ** _column(beta)
    blur = torch.where(plateau[:, None, None], 1.0 / (1.0 + power), (-0.5 * power).exp())
    return _normalized(torch.where(sinc[:, None, None], _rings(canvas, cutoff), blur), support)


@dataclass(frozen=True)
class KernelMix:
    """From which kernels to draw: the families, their shares and the ranges of their parameters.

    Args:
        blur_kernel_size: odd side of the canvas; a kernel's own side is an odd number from 7 to it.
        kernel_list: names out of ``FAMILIES``.
        kernel_prob: weight of each name.
        blur_sigma: range of the standard deviations, pixels.
        betag_range: range of the shape of generalized Gaussians; must contain 1.
        betap_range: range of the shape of plateau kernels; must contain 1.
        sinc_prob: probability of a sinc kernel in place of one of the families.
        suffix: "2" for the options of the second process, for messages.

    Raises:
        OptionError: a value out of range or an unknown family.
    """

    blur_kernel_size: int
    kernel_list: Names
    kernel_prob: Weights
    blur_sigma: Pair
    betag_range: Pair
    betap_range: Pair
    sinc_prob: float
    suffix: str = ""

    def __post_init__(self) -> None:
        end = self.suffix
        check_kernel_size(f"blur_kernel_size{end}", self.blur_kernel_size)
        for i, name in enumerate(self.kernel_list):
            if name not in FAMILIES:
                raise OptionError(
                    f"unknown kernel '{name}'.",
                    (f"kernel_list{end}", i),
                    did_you_mean(name, FAMILIES),
                )
        count = len(self.kernel_list)
        check_weights(f"kernel_prob{end}", self.kernel_prob, count, f"kernel in kernel_list{end}")
        check_range(f"blur_sigma{end}", self.blur_sigma, 1e-3)
        for key, value in (("betag_range", self.betag_range), ("betap_range", self.betap_range)):
            low, high = check_range(key + end, value, 1e-3)
            if not low <= 1.0 <= high:
                # Half of the draws lie below 1 and half above it.
                raise OptionError(f"must contain 1, got {list(value)}.", (key + end,))
        check_probability(f"sinc_prob{end}", self.sinc_prob)

    @property
    def families(self) -> tuple[str, ...]:
        """The families of the kernels that can be drawn, see ``families``."""
        drawn = zip(self.kernel_list, self.kernel_prob, strict=True)
        names = [_KINDS[name] for name, share in drawn if share > 0 and self.sinc_prob < 1]
        return union(names, [SINC] if self.sinc_prob > 0 else [])

    def draw(self, n: int, generator: torch.Generator) -> Tensor:
        """(n, k, k) random kernels on the generator's device."""
        canvas = self.blur_kernel_size
        support = random_support(n, canvas, generator)
        family = choice(n, self.kernel_prob, generator)
        iso, generalized, plateau = (
            torch.tensor([mark in name for name in self.kernel_list], device=family.device)[family]
            for mark in ("_iso", "generalized", "plateau")
        )
        iso |= torch.tensor([n == "iso" for n in self.kernel_list], device=family.device)[family]
        sigma_x = uniform(n, *self.blur_sigma, generator)
        sigma_y = torch.where(iso, sigma_x, uniform(n, *self.blur_sigma, generator))
        # The rotation of an isotropic kernel is without effect.
        theta = uniform(n, -math.pi, math.pi, generator)
        beta_g = self._beta(n, self.betag_range, generator)
        beta_p = self._beta(n, self.betap_range, generator)
        one = torch.ones_like(beta_g)
        beta = torch.where(generalized, beta_g, torch.where(plateau, beta_p, one))
        sinc = chance(n, self.sinc_prob, generator)
        cutoff = random_cutoff(support, generator, wide=True)

        return mixed_kernels(canvas, support, sigma_x, sigma_y, theta, beta, plateau, sinc, cutoff)

    @staticmethod
    def _beta(n: int, bounds: Pair, generator: torch.Generator) -> Tensor:
        below = uniform(n, bounds[0], 1.0, generator)
        above = uniform(n, 1.0, bounds[1], generator)
        return torch.where(chance(n, 0.5, generator), below, above)


def check_kernel_size(key: str, size: int) -> int:
    """An odd side of at least 7."""
    if size < SMALLEST or size % 2 == 0:
        raise OptionError(f"must be an odd number of at least {SMALLEST}, got {size}.", (key,))
    return size


def random_support(n: int, canvas: int, generator: torch.Generator) -> Tensor:
    """(n,) odd sides from 7 to ``canvas``, all equally likely."""
    return SMALLEST + 2 * choice(n, [1.0] * ((canvas - SMALLEST) // 2 + 1), generator)


def random_cutoff(support: Tensor, generator: torch.Generator, wide: bool) -> Tensor:
    """(N,) cut-off frequencies in [pi/3, pi); ``wide``: from pi/5 for sides of at least 13."""
    low = torch.full_like(support, math.pi / 3, dtype=torch.float32)
    if wide:
        # A small kernel cannot hold the ringing of a low cut-off.
        low = torch.where(support >= 13, math.pi / 5, low)
    return uniform(len(support), low, math.pi, generator)


def _rings(canvas: int, cutoff: Tensor) -> Tensor:
    """(N, k, k) sinc filters that do not sum to 1 yet, from their values at each distance."""
    radius, place = _distances(canvas, cutoff.device, cutoff.dtype)
    omega = cutoff.view(-1, 1)
    # The limit at the centre is omega^2 / 4 pi; one pixel stands in for 0 to divide by.
    away = radius.clamp(min=1.0)
    ring = omega * torch.special.bessel_j1(omega * away) / (2 * math.pi * away)
    ring = torch.where(radius > 0, ring, omega.square() / (4 * math.pi))
    return ring.index_select(1, place).view(-1, canvas, canvas)


@lru_cache(maxsize=16)
def _distances(canvas: int, device: torch.device, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """All distances from the centre of a canvas there are, and (k * k,) which one a pixel has."""
    with torch.inference_mode(False):  # others use them too
        side = torch.arange(canvas) - canvas // 2
        squares, place = (side[:, None] ** 2 + side**2).unique(return_inverse=True)
        return squares.to(device, dtype).sqrt(), place.flatten().to(device)


def _grid(canvas: int, like: Tensor) -> tuple[Tensor, Tensor]:
    side = torch.arange(canvas, dtype=like.dtype, device=like.device) - canvas // 2
    y, x = torch.meshgrid(side, side, indexing="ij")
    return y, x


def _column(value: Tensor | float) -> Tensor | float:
    return value.view(-1, 1, 1) if isinstance(value, Tensor) else value


def _mahalanobis(canvas: int, sigma_x: Tensor, sigma_y: Tensor, theta: Tensor) -> Tensor:
    """(N, k, k) squared distances to the centre, in the rotated axes, measured in sigmas."""
    y, x = _grid(canvas, sigma_x)
    cos, sin = theta.cos().view(-1, 1, 1), theta.sin().view(-1, 1, 1)
    along = (cos * x + sin * y) / sigma_x.view(-1, 1, 1)
    across = (cos * y - sin * x) / sigma_y.view(-1, 1, 1)
    return along.square() + across.square()


def _normalized(kernels: Tensor, support: Tensor) -> Tensor:
    side = (torch.arange(kernels.shape[-1], device=kernels.device) - kernels.shape[-1] // 2).abs()
    inside = side <= (support // 2).view(-1, 1)
    kernels = kernels * (inside[:, :, None] & inside[:, None, :])
    return kernels / kernels.sum((-2, -1), keepdim=True)
