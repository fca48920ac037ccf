"""No regularizer, as one that can be named: the baseline of every comparison."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from ..registry import REGULARIZER_REGISTRY
from .base import Regularizer


@REGULARIZER_REGISTRY.register("none")
class NoRegularizer(Regularizer):
    """The identity. ``attach`` places it nowhere."""

    default_sites: ClassVar[str] = "none"

    def forward(self, x: Tensor) -> Tensor:
        """``x`` itself."""
        return x
