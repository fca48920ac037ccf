"""Exponential moving average of a network's weights."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from ..errors import OptionError
from ..regularizers.sites import detach


class EMA:
    """Keeps ``network``, a copy whose weights follow those of the trained one.

    ``ema = decay * ema + (1 - decay) * weight`` after every step; buffers are copied. The copy
    carries no regularizer and is in evaluation mode. A decay of 0 keeps the last weights.

    Args:
        source: the trained network, a plain one.
        decay: share of the past in [0, 1).
    """

    def __init__(self, source: nn.Module, decay: float) -> None:
        if not 0.0 <= decay < 1.0:
            raise OptionError(f"must lie in [0, 1), got {decay}.", ("ema_decay",))
        self.decay = decay
        self.network = copy.deepcopy(source)
        detach(self.network)
        self.network.eval().requires_grad_(False)
        live, buffers = dict(source.named_parameters()), dict(source.named_buffers())
        names = [name for name, _ in self.network.named_parameters()]
        self._averaged: list[Tensor] = list(self.network.parameters())
        self._live: list[Tensor] = [live[name] for name in names]
        self._buffers = [(mine, buffers[name]) for name, mine in self.network.named_buffers()]

    @torch.no_grad()
    def update(self, skipped: Tensor | None = None) -> None:
        """Take the trained network's weights of this moment in.

        Args:
            skipped: a boolean on the device: stay as it is where it is true, for a step that was
                left out. The device is not waited for.
        """
        if skipped is None:
            torch._foreach_lerp_(self._averaged, self._live, 1.0 - self.decay)
            for mine, theirs in self._buffers:
                mine.copy_(theirs)
            return
        # The same as above, by a weight that is on the device.
        way = torch._foreach_sub(self._live, self._averaged)
        torch._foreach_mul_(way, (1.0 - self.decay) * ~skipped)
        torch._foreach_add_(self._averaged, way)
        for mine, theirs in self._buffers:
            mine.copy_(torch.where(skipped, mine, theirs))
