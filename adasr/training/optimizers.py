"""The optimizers, under the names and with the options BasicSR users know."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import nn

from ..errors import OptionError
from ..registry import OPTIMIZER_REGISTRY


@OPTIMIZER_REGISTRY.register()
def Adam(
    params: Iterable[nn.Parameter],
    lr: float = 2e-4,
    betas: tuple[float, float] = (0.9, 0.99),
    weight_decay: float = 0.0,
    eps: float = 1e-8,
) -> torch.optim.Optimizer:
    """Adam, fused where torch has the kernel.

    Args:
        params: what to train.
        lr: learning rate at its full height.
        betas: decay of the first and second moment.
        weight_decay: L2 penalty.
        eps: added to the root of the second moment.
    """
    return _fused(torch.optim.Adam, params, lr, betas, weight_decay, eps)


@OPTIMIZER_REGISTRY.register()
def AdamW(
    params: Iterable[nn.Parameter],
    lr: float = 2e-4,
    betas: tuple[float, float] = (0.9, 0.99),
    weight_decay: float = 0.01,
    eps: float = 1e-8,
) -> torch.optim.Optimizer:
    """Adam with decoupled weight decay, fused where torch has the kernel.

    Args:
        params: what to train.
        lr: learning rate at its full height.
        betas: decay of the first and second moment.
        weight_decay: share of a weight taken off in each step, times the learning rate.
        eps: added to the root of the second moment.
    """
    return _fused(torch.optim.AdamW, params, lr, betas, weight_decay, eps)


def _fused(
    kind: Callable[..., torch.optim.Optimizer],
    params: Iterable[nn.Parameter],
    lr: float,
    betas: tuple[float, float],
    weight_decay: float,
    eps: float,
) -> torch.optim.Optimizer:
    if lr <= 0:
        raise OptionError(f"the learning rate must be above 0, got {lr}.", ("lr",))
    if not all(0.0 <= beta < 1.0 for beta in betas):
        raise OptionError(f"each must lie in [0, 1), got {list(betas)}.", ("betas",))
    if weight_decay < 0:
        raise OptionError(f"must not be negative, got {weight_decay}.", ("weight_decay",))
    if eps <= 0:
        raise OptionError(f"must be above 0, got {eps}.", ("eps",))
    params = list(params)
    fused = all(p.device.type in ("cpu", "cuda", "mps") for p in params)
    return kind(params, lr=lr, betas=betas, weight_decay=weight_decay, eps=eps, fused=fused)
