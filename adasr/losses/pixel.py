"""Losses that compare pixel with pixel."""

from __future__ import annotations

import math
from typing import Literal

from torch import Tensor, nn

from ..errors import OptionError
from ..registry import LOSS_REGISTRY

Reduction = Literal["mean", "sum"]


class PixelLoss(nn.Module):
    """``loss_weight`` times the mean (or sum) of a penalty of ``sr - gt``, a scalar.

    Mixed precisions are promoted, so a bf16 ``sr`` against a float32 ``gt`` is compared in float32.

    Args:
        loss_weight: factor of the loss, 0 or more.
        reduction: "mean" or "sum" over all elements.
    """

    def __init__(self, loss_weight: float = 1.0, reduction: Reduction = "mean") -> None:
        super().__init__()
        check_loss_weight(loss_weight)
        if reduction not in ("mean", "sum"):
            raise OptionError(f"must be 'mean' or 'sum', got {reduction!r}.", ("reduction",))
        self.loss_weight, self.reduction = loss_weight, reduction

    def penalty(self, difference: Tensor) -> Tensor:
        """The penalty of each element of ``sr - gt``, the same shape."""
        raise NotImplementedError

    def forward(self, sr: Tensor, gt: Tensor) -> Tensor:
        """The loss of two tensors of one shape, usually (N, C, H, W).

        Raises:
            ValueError: the shapes differ (broadcasting would hide a mistake).
        """
        if sr.shape != gt.shape:
            raise ValueError(f"SR {tuple(sr.shape)} and GT {tuple(gt.shape)} differ in shape")
        penalty = self.penalty(sr - gt)
        return self.loss_weight * (penalty.mean() if self.reduction == "mean" else penalty.sum())


@LOSS_REGISTRY.register()
class L1Loss(PixelLoss):
    """Mean absolute error.

    Args:
        loss_weight: factor of the loss, 0 or more.
        reduction: "mean" or "sum" over all elements.
    """

    def penalty(self, difference: Tensor) -> Tensor:
        """``|d|``."""
        return difference.abs()


@LOSS_REGISTRY.register()
class MSELoss(PixelLoss):
    """Mean squared error (L2).

    Args:
        loss_weight: factor of the loss, 0 or more.
        reduction: "mean" or "sum" over all elements.
    """

    def penalty(self, difference: Tensor) -> Tensor:
        """``d^2``."""
        return difference.square()


@LOSS_REGISTRY.register()
class CharbonnierLoss(PixelLoss):
    """Charbonnier loss ``sqrt(d^2 + eps)``, a smooth L1 (Lai et al., CVPR 2017, eq. 4).

    Args:
        loss_weight: factor of the loss, 0 or more.
        reduction: "mean" or "sum" over all elements.
        eps: added to the squared difference (the paper's epsilon squared), above 0.
    """

    def __init__(
        self, loss_weight: float = 1.0, reduction: Reduction = "mean", eps: float = 1e-12
    ) -> None:
        super().__init__(loss_weight, reduction)
        if not (math.isfinite(eps) and eps > 0):
            raise OptionError(
                f"must be above 0, got {eps}.", ("eps",), "At 0 the gradient is not defined."
            )
        self.eps = eps

    def penalty(self, difference: Tensor) -> Tensor:
        """``sqrt(d^2 + eps)``."""
        return (difference.square() + self.eps).sqrt()


def check_loss_weight(loss_weight: float) -> None:
    """Refuse a factor that would turn descent into ascent or poison it.

    Raises:
        OptionError: negative or not finite.
    """
    if not (math.isfinite(loss_weight) and loss_weight >= 0):
        raise OptionError(f"must be finite and 0 or more, got {loss_weight}.", ("loss_weight",))
