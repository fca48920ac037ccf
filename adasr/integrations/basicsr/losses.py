"""Losses for BasicSR's registry."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from ...registry import LOSS_REGISTRY

_PERCEPTUAL = ("LPIPSLoss",)


class PerceptualPair(nn.Module):
    """A loss as BasicSR's ``perceptual_opt`` wants it: (perceptual, style), here without style."""

    def __init__(self, loss: nn.Module) -> None:
        super().__init__()
        self.loss = loss

    def forward(self, sr: Tensor, gt: Tensor) -> tuple[Tensor, None]:
        """(N, 3, H, W) in [0, 1] twice to (loss, None)."""
        return self.loss(sr, gt), None


def our_losses() -> list[Callable[..., nn.Module]]:
    """``AdaL1Loss`` and so on for ``pixel_opt``; for ``perceptual_opt`` those on features."""
    return [_loss(name) for name in LOSS_REGISTRY.names() if _compares_images(name)]


def _compares_images(name: str) -> bool:
    loss = LOSS_REGISTRY.get(name)
    return not (getattr(loss, "takes_features", False) or getattr(loss, "adversarial", False))


def _loss(name: str) -> Callable[..., nn.Module]:
    def build(**options: Any) -> nn.Module:
        loss = LOSS_REGISTRY.build({"type": name, **options})
        return PerceptualPair(loss) if name in _PERCEPTUAL else loss

    build.__name__ = f"Ada{name}"
    build.__doc__ = LOSS_REGISTRY.doc(name)
    return build
