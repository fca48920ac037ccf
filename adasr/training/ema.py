"""Exponential moving average of a network's weights."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import OptionError
from ..regularizers.sites import detach
from .sharding import local, part, whole


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
        self._shards: dict[str, Tensor] = {}

    def follow_shards(self, source: nn.Module) -> None:
        """Average the shards that this process holds of ``source``, which has just been sharded.

        ``network`` holds no weights from then on; ``whole`` does.
        """
        live = dict(source.named_parameters())
        names = [name for name, _ in self.network.named_parameters()]
        self._live = [live[name] for name in names]
        self._shards = {name: live[name].detach().clone() for name in names}
        self._averaged = list(self._shards.values())
        for module in self.network.modules():
            for name, parameter in module.named_parameters(recurse=False):
                hollow = torch.empty_like(parameter, device="meta")
                setattr(module, name, nn.Parameter(hollow, requires_grad=False))

    @torch.no_grad()
    def update(self, skipped: Tensor | None = None) -> None:
        """Take the trained network's weights of this moment in.

        Args:
            skipped: a boolean on the device: stay as it is where it is true, for a step that was
                left out. The device is not waited for.
        """
        averaged, live = ([local(t) for t in held] for held in (self._averaged, self._live))
        if skipped is None:
            torch._foreach_lerp_(averaged, live, 1.0 - self.decay)
            for mine, theirs in self._buffers:
                mine.copy_(theirs)
            return
        # The same as above, by a weight that is on the device.
        way = torch._foreach_sub(live, averaged)
        torch._foreach_mul_(way, (1.0 - self.decay) * ~skipped)
        torch._foreach_add_(averaged, way)
        for mine, theirs in self._buffers:
            mine.copy_(torch.where(skipped, mine, theirs))

    @torch.no_grad()
    def whole(self, keep: bool = True) -> nn.Module:
        """The network with all its weights; of a sharded one a copy that is made for the call.

        All processes must call this.

        Args:
            keep: whether this process wants them; a sharded network comes without any otherwise.
        """
        if not self._shards:
            return self.network
        weights: dict[str, Tensor] = {}
        for name, hollow in self.network.named_parameters():
            weight = whole(self._shards[name])
            if keep:  # in the memory format of the copy
                weights[name] = torch.empty_like(hollow, device=weight.device).copy_(weight)
        if not keep:
            return self.network
        network = copy.deepcopy(self.network)
        network.load_state_dict(weights, strict=False, assign=True)
        return network

    @torch.no_grad()
    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from the state of a whole network.

        Raises:
            KeyError, RuntimeError: it is of another network.
        """
        if not self._shards:
            self.network.load_state_dict(state)
            return
        for name, shard in self._shards.items():
            shard.copy_(part(state[name], shard))
        buffers = {name: state[name] for name in state.keys() - self._shards.keys()}
        self.network.load_state_dict(buffers, strict=False)
