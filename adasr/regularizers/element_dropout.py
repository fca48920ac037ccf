"""Element dropout before the last convolution (Kong et al., CVPR 2022, arXiv 2112.12089)."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor
from torch.nn import functional as F

from ..registry import REGULARIZER_REGISTRY
from .base import Regularizer, drop_probability


@REGULARIZER_REGISTRY.register()
class ElementDropout(Regularizer):
    """Single values are set to 0 with probability p, the others scaled by 1 / (1 - p).

    Goes before the last convolution unless sites are named. Input and output of any shape.

    Args:
        p: drop probability in [0, 1).

    Raises:
        OptionError: ``p`` out of range.
    """

    default_sites: ClassVar[str] = "last"

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        self.p = drop_probability(p)

    def forward(self, x: Tensor) -> Tensor:
        """The feature with dropped values in training, ``x`` itself otherwise."""
        return F.dropout(x, self.p, training=self.training and self.p > 0.0)

    def extra_repr(self) -> str:
        """The drop probability."""
        return f"p={self.p:g}"
