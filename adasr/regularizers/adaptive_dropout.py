"""Adaptive Dropout (Xu et al., CVPR 2025, arXiv 2506.12738)."""

from __future__ import annotations

from typing import Literal, Self

import torch
from torch import Tensor, nn

from ..errors import OptionError
from ..registry import REGULARIZER_REGISTRY
from .base import Regularizer, channel_shape, drop_probability, find_channel_axis, keep_mask


def blend_scale(keep: Tensor, p: float, weight: float | Tensor) -> Tensor:
    r"""The factor that turns a feature into the blend of itself and its dropped-out self.

    .. math:: y = w x + (1 - w) D_p(x) = x s, \quad s = w + (1 - w) \frac{m}{1 - p}

    with :math:`E[s] = 1` and :math:`Var[s] = (1 - w)^2 p / (1 - p)`.

    Args:
        keep: the mask m, 0 or 1, of any shape.
        p: drop probability in [0, 1).
        weight: share w of the feature before dropout in [0, 1]; a tensor broadcasts with ``keep``.
    """
    return weight + (1.0 - weight) / (1.0 - p) * keep


@REGULARIZER_REGISTRY.register()
class AdaptiveDropout(Regularizer):
    """Channel dropout blended with the feature before dropout, at every site.

    In training ``y = w x + (1 - w) D_p(x)``; in evaluation the identity. With explicit adaptation
    ``w`` is a number that a schedule raises to 1 site by site; at 1 the site does nothing and
    draws no random number. With implicit adaptation (``gate``) a small network predicts ``w`` from
    the feature: global average pool, FC, ReLU, FC, sigmoid.

    Input and output: (N, C, H, W) features or (N, L, C) tokens, of any float type.

    Args:
        p: drop probability in [0, 1).
        weight: share of the feature before dropout in [0, 1] until annealed; unused with a gate.
        gate: predict the weight per channel ("vector") or per sample ("scalar"); none by default.
        reduction: the gate's hidden layer has C / reduction units.
        channel_axis: axis of the channels; by default 1 for 4-D features, the last for 3-D.

    Raises:
        OptionError: a value out of range, or a gate at a site whose channels are not known.
    """

    weight_value: Tensor

    def __init__(
        self,
        p: float = 0.5,
        weight: float = 0.3,
        gate: Literal["vector", "scalar"] | None = None,
        reduction: int = 16,
        channel_axis: int | None = None,
    ) -> None:
        super().__init__()
        self.p = drop_probability(p)
        if gate not in (None, "vector", "scalar"):
            raise OptionError(f"expected 'vector' or 'scalar', got {gate!r}.", ("gate",))
        if reduction < 1:
            raise OptionError(f"must be at least 1, got {reduction}.", ("reduction",))
        self.gate_type, self.reduction, self.channel_axis = gate, reduction, channel_axis
        self.gate: nn.Sequential | None = None
        # The number serves eager mode, where w = 1 must cost nothing; the tensor serves compiled
        # graphs, which would be traced again at every change of a number.
        self.register_buffer("weight_value", torch.tensor(float(weight)), persistent=False)
        self._weight = 0.0
        self.weight = weight

    @property
    def weight(self) -> float:
        """Share of the feature before dropout; with a gate the mean of its last prediction."""
        return float(self.weight_value) if self.gate_type else self._weight

    @weight.setter
    def weight(self, value: float) -> None:
        if not 0.0 <= value <= 1.0:
            raise OptionError(f"must lie in [0, 1], got {value}.", ("weight",))
        if value != self._weight:
            self._weight = float(value)
            self.weight_value.fill_(self._weight)

    def for_site(self, channels: int | None) -> Self:
        """A copy for one site; a gate is made for its number of channels."""
        copied = super().for_site(channels)
        if copied.gate_type is not None:
            if channels is None:
                raise OptionError(
                    "the number of channels at a site is not known, and a gate needs it.",
                    ("gate",),
                    "Pass an example input to attach, or name sites that are convolutions.",
                )
            hidden = max(1, channels // copied.reduction)
            predicted = channels if copied.gate_type == "vector" else 1
            copied.gate = nn.Sequential(
                nn.Linear(channels, hidden), nn.ReLU(), nn.Linear(hidden, predicted), nn.Sigmoid()
            )
        return copied

    def forward(self, x: Tensor) -> Tensor:
        """The blended feature in training, ``x`` itself otherwise."""
        if not self.training or self.p == 0.0:
            return x
        if self.gate_type is not None:
            weight: float | Tensor = self._predicted_weight(x)
        elif torch.compiler.is_compiling():
            weight = self.weight_value
        elif self._weight == 1.0:
            return x
        else:
            weight = self._weight
        keep = keep_mask(channel_shape(x, self.channel_axis), self.p, x)
        return x * blend_scale(keep, self.p, weight).to(x.dtype)

    def _predicted_weight(self, x: Tensor) -> Tensor:
        if self.gate is None:
            raise OptionError("a gate works only at a site; use attach.", ("gate",))
        axis = find_channel_axis(x, self.channel_axis)
        elsewhere = [d for d in range(1, x.dim()) if d != axis]
        pooled = x.mean(dim=elsewhere) if elsewhere else x
        weight = self.gate(pooled).float()
        self.weight_value.copy_(weight.detach().mean())
        channels = weight.shape[1]
        return weight.view(
            *(s if d == 0 else channels if d == axis else 1 for d, s in enumerate(x.shape))
        )

    def extra_repr(self) -> str:
        """p, and the weight or the gate's kind."""
        kind = f"gate={self.gate_type!r}" if self.gate_type else f"weight={self._weight:g}"
        return f"p={self.p:g}, {kind}"
