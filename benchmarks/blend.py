"""Adaptive Dropout's blend as released, in three operations."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

import adasr


class ThreeOperations(nn.Module):
    """The blend written out: dropout of the whole feature, two scalings, a sum."""

    def __init__(self, p: float, weight: float) -> None:
        super().__init__()
        self.p, self.weight = p, weight

    def forward(self, x: Tensor) -> Tensor:
        return self.weight * x + (1 - self.weight) * F.dropout2d(x, self.p)


def blend_all_sites(net: nn.Module, p: float, weight: float) -> None:
    """Put the written-out blend where ``attach`` places ours in SRResNet."""
    blend = ThreeOperations(p, weight)
    for block in net.body:
        block.conv1.register_forward_hook(lambda m, a, y: blend(y))
    net.conv_last.register_forward_pre_hook(lambda m, a: (blend(a[0]),))


def check_blend(p: float, weight: float, device: str) -> None:
    """The same mask gives the same feature on both sides."""
    x = torch.randn(4, 32, 8, 8, device=device)
    torch.manual_seed(0)
    ours = adasr.AdaptiveDropout(p, weight)(x)
    torch.manual_seed(0)
    keep = F.dropout2d(torch.ones(4, 32, 1, 1, device=device), p)
    torch.testing.assert_close(ours, weight * x + (1 - weight) * x * keep)
