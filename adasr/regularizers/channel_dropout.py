"""Channel dropout before the last convolution (Kong et al., CVPR 2022, arXiv 2112.12089)."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from ..registry import REGULARIZER_REGISTRY
from .base import Regularizer, channel_shape, drop_probability, keep_mask


@REGULARIZER_REGISTRY.register()
class ChannelDropout(Regularizer):
    """Whole channels are set to 0 with probability p, the others scaled by 1 / (1 - p).

    Input and output: (N, C, H, W) features or (N, L, C) tokens. Goes before the last convolution
    unless sites are named.

    Args:
        p: drop probability in [0, 1); the paper's 0.7 for SRResNet, 0.5 for RRDBNet.
        channel_axis: axis of the channels; by default 1 for 4-D features, the last for 3-D.

    Raises:
        OptionError: ``p`` out of range.
    """

    default_sites: ClassVar[str] = "last"

    def __init__(self, p: float = 0.7, channel_axis: int | None = None) -> None:
        super().__init__()
        self.p, self.channel_axis = drop_probability(p), channel_axis

    def forward(self, x: Tensor) -> Tensor:
        """The feature with dropped channels in training, ``x`` itself otherwise."""
        if not self.training or self.p == 0.0:
            return x
        keep = keep_mask(channel_shape(x, self.channel_axis), self.p, x)
        return x * (keep / (1.0 - self.p)).to(x.dtype)

    def extra_repr(self) -> str:
        """The drop probability."""
        return f"p={self.p:g}"
