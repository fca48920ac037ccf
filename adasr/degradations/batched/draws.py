"""The parameters of a batch, drawn on its device: tensors with one entry for each sample."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ..kernels import SMALLEST, KernelMix, mixed_kernels, sinc_kernels
from ..pipeline import Process
from ..resize import MODES
from ..sampling import parameter_dtype
from .canvas import constant
from .filters import identity_kernel

_NUMBERS = 64  # random numbers a sample may use; few more than the longest process does


class Numbers:
    """Random numbers for each sample of a batch, all drawn at once and used up one by one.

    Args:
        n: samples.
        device: where they are drawn.
        generator: on that device.
    """

    def __init__(self, n: int, device: torch.device, generator: torch.Generator | None) -> None:
        self.n, self.device = n, device
        dtype = parameter_dtype(device)
        table = torch.rand(_NUMBERS, n, generator=generator, device=device, dtype=dtype)
        self._rows = iter(table.unbind())

    def uniform(self, low: float | Tensor, high: float | Tensor) -> Tensor:
        """(n,) numbers in [low, high)."""
        return low + (high - low) * next(self._rows)

    def chance(self, p: float) -> Tensor:
        """(n,) booleans, each true with probability ``p``."""
        return next(self._rows) < p

    def choice(self, weights: tuple[float, ...]) -> Tensor:
        """(n,) indices, each with a probability proportional to its weight."""
        total, bounds = sum(weights), []
        for weight in weights:
            bounds.append((bounds[-1] if bounds else 0.0) + weight / total)
        unit = next(self._rows)
        edges = constant(tuple(bounds), unit.dtype, self.device)
        index = torch.searchsorted(edges, unit, right=True)
        # The sum of the weights may miss 1 by a rounding.
        last = max(i for i, weight in enumerate(weights) if weight > 0)
        return index.clamp(max=last)


@dataclass(frozen=True)
class Steps:
    """Parameters of one process; the fields of ``adasr.degradations.pipeline.Step``, batched.

    Args:
        kernel: (N, k, k); the identity for no blur.
        factor: (N,) resize factors.
        mode: (N,) indices into ``MODES``.
        poisson: (N,) booleans.
        strength: (N,) sigma in units of 1/255, or the scale of the Poisson noise.
        gray: (N,) booleans.
        quality: (N,) JPEG qualities.
    """

    kernel: Tensor
    factor: Tensor
    mode: Tensor
    poisson: Tensor
    strength: Tensor
    gray: Tensor
    quality: Tensor


@dataclass(frozen=True)
class Ending:
    """How the second-order process ends.

    Args:
        sinc: (N, k, k) filters after the last resize; the identity for none.
        jpeg_last: (N,) booleans: JPEG after the resize and the filter, rather than before them.
        mode: (N,) indices into ``MODES``.
    """

    sinc: Tensor
    jpeg_last: Tensor
    mode: Tensor


def draw_kernels(mix: KernelMix, numbers: Numbers) -> Tensor:
    """(N, k, k) kernels, distributed as those of ``mix.draw``."""
    canvas, device = mix.blur_kernel_size, numbers.device
    support = draw_support(canvas, numbers)
    family = numbers.choice(tuple(mix.kernel_prob))
    iso, generalized, plateau = (
        constant(tuple(marks), torch.bool, device).index_select(0, family)
        for marks in _marks(mix.kernel_list)
    )
    sigma_x = numbers.uniform(*mix.blur_sigma)
    sigma_y = torch.where(iso, sigma_x, numbers.uniform(*mix.blur_sigma))
    theta = numbers.uniform(-math.pi, math.pi)
    beta = torch.where(plateau, _beta(*mix.betap_range, numbers), _beta(*mix.betag_range, numbers))
    beta = torch.where(plateau | generalized, beta, 1.0)
    sinc = numbers.chance(mix.sinc_prob)
    cutoff = draw_cutoff(support, numbers, wide=True)

    return mixed_kernels(canvas, support, sigma_x, sigma_y, theta, beta, plateau, sinc, cutoff)


def draw_support(canvas: int, numbers: Numbers) -> Tensor:
    """(N,) odd sides up to ``canvas``, all equally likely."""
    return SMALLEST + 2 * numbers.choice((1.0,) * ((canvas - SMALLEST) // 2 + 1))


def draw_cutoff(support: Tensor, numbers: Numbers, wide: bool) -> Tensor:
    """(N,) cut-off frequencies, distributed as those of ``kernels.random_cutoff``."""
    low = numbers.uniform(math.pi / 3, math.pi / 3)
    if wide:
        low = torch.where(support >= 13, math.pi / 5, low)
    return numbers.uniform(low, math.pi)


def draw_modes(numbers: Numbers) -> Tensor:
    """(N,) indices into ``MODES``, all equally likely."""
    return numbers.choice((1.0,) * len(MODES))


def draw_steps(process: Process, numbers: Numbers) -> Steps:
    """Parameters distributed as those of ``process.draw``."""
    kernel = draw_kernels(process.kernels, numbers)
    blurred = numbers.chance(process.blur_prob)
    direction = numbers.choice(tuple(process.resize_prob))
    low, high = process.resize_range
    end = torch.where(direction == 0, high, torch.where(direction == 1, low, 1.0))
    poisson = ~numbers.chance(process.gaussian_noise_prob)
    sigma = numbers.uniform(*process.noise_range)
    return Steps(
        kernel=torch.where(blurred[:, None, None], kernel, identity_kernel(kernel)),
        factor=numbers.uniform(1.0, end.to(sigma.dtype)),
        mode=draw_modes(numbers),
        poisson=poisson,
        strength=torch.where(poisson, numbers.uniform(*process.poisson_scale_range), sigma),
        gray=numbers.chance(process.gray_noise_prob),
        quality=numbers.uniform(*process.jpeg_range),
    )


def draw_ending(canvas: int, sinc_prob: float, numbers: Numbers) -> Ending:
    """How each sample ends.

    Args:
        canvas: largest side of the sinc filters, odd.
        sinc_prob: probability of a sinc filter.
        numbers: where the draws come from.
    """
    support = draw_support(canvas, numbers)
    sinc = sinc_kernels(canvas, support, draw_cutoff(support, numbers, wide=False))
    used = numbers.chance(sinc_prob)[:, None, None]
    return Ending(
        sinc=torch.where(used, sinc, identity_kernel(sinc)),
        jpeg_last=numbers.chance(0.5),
        mode=draw_modes(numbers),
    )


def _beta(low: float, high: float, numbers: Numbers) -> Tensor:
    """Half of the shapes lie below 1 and half above it."""
    unit = numbers.uniform(-1.0, 1.0)
    return torch.where(unit < 0, 1 + (1 - low) * unit, 1 + (high - 1) * unit)


def _marks(names: tuple[str, ...]) -> tuple[list[bool], list[bool], list[bool]]:
    iso = [name == "iso" or name.endswith("_iso") for name in names]
    return iso, ["generalized" in name for name in names], ["plateau" in name for name in names]
