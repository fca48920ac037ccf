"""Random numbers from a given generator, drawn on its device in a precision kernels need."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def parameter_dtype(device: torch.device) -> torch.dtype:
    """float64 where the device has it: kernels must not depend on who computes them."""
    return torch.float32 if device.type == "mps" else torch.float64


def uniform(
    n: int, low: float | Tensor, high: float | Tensor, generator: torch.Generator
) -> Tensor:
    """(n,) numbers, uniform in [low, high)."""
    device = generator.device
    unit = torch.rand(n, generator=generator, device=device, dtype=parameter_dtype(device))
    return low + (high - low) * unit


def chance(n: int, p: float, generator: torch.Generator) -> Tensor:
    """(n,) booleans, each true with probability ``p``."""
    return uniform(n, 0.0, 1.0, generator) < p


def choice(n: int, weights: Sequence[float], generator: torch.Generator) -> Tensor:
    """(n,) indices into ``weights``, each with a probability proportional to its weight."""
    device = generator.device
    table = torch.tensor(weights, device=device, dtype=parameter_dtype(device))
    return torch.multinomial(table, n, replacement=True, generator=generator)


def spawn(n: int, generator: torch.Generator) -> list[torch.Generator]:
    """``n`` generators seeded from one.

    A sample's noise then depends on its own seed alone, not on how many numbers the samples before
    it used up.
    """
    seeds = torch.randint(2**62, (n,), generator=generator, device=generator.device)
    return [torch.Generator(generator.device).manual_seed(int(seed)) for seed in seeds.tolist()]
