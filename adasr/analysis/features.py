"""Looking at the features of a network, and changing them; afterwards it is as it was."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn

from ..archs.known_sites import default_sites
from ..errors import AdasrError, OptionError
from ..regularizers.base import find_channel_axis
from ..regularizers.sites import INPUT, find_sites, probe
from ..weights.build import evaluation_mode, input_channels

BATCH = 8
"""Crops that go through a network at once; memory grows with it and results do not change."""
_PROBE_SIDE = 32

Change = Callable[[Tensor], Tensor | None]


def choose_sites(net: nn.Module, sites: str | Sequence[str] | None = None) -> list[str]:
    """The sites to look at, ordered from input to output, all reached and with features of images.

    Args:
        net: any network.
        sites: names and patterns as in ``attach``; by default those the network names itself, or
            that are known for its class, else the input of its last convolution.

    Raises:
        OptionError: a pattern matches nothing, or a site is not reached or holds no features.
    """
    known = default_sites(net)
    if sites in (None, "default", "last"):
        if not known:
            raise OptionError(
                f"{type(net).__name__} names no sites of its own.",
                ("sites",),
                "Give patterns on module names, e.g. --sites 'body.*' 'conv_last:input'.",
            )
        sites = known if sites != "last" else known[-1:]
    example = example_input(net)
    seen = probe(net, find_sites(net, sites), example)
    for name, feature in seen.items():
        if feature.dim() not in (3, 4) or feature.shape[0] % len(example):
            raise OptionError(
                f"'{name}' is of shape {tuple(feature.shape)}, neither (N, C, H, W) nor (N, L, C).",
                ("sites",),
            )
    return list(seen)


def example_input(net: nn.Module) -> Tensor:
    """Two small black images on the network's device."""
    side = fitting_side([net], _PROBE_SIDE)
    parameter = next(net.parameters(), torch.zeros(()))
    return torch.zeros(2, input_channels(net), side, side, device=parameter.device)


def fitting_side(nets: Sequence[nn.Module], side: int) -> int:
    """The smallest side from ``side`` on that all networks take without padding."""
    multiple = math.lcm(*(int(getattr(net, "size_multiple", 1)) for net in nets))
    least = max(side, *(int(getattr(net, "size_minimum", 1)) for net in nets))
    return math.ceil(least / multiple) * multiple


def by_channel(feature: Tensor, count: int) -> Tensor:
    """A feature of ``count`` images as (count, C, positions).

    Tokens of attention windows, (count * windows, L, C), count as positions of their image.
    """
    if find_channel_axis(feature) == 1:
        return feature.flatten(2)
    return feature.reshape(count, -1, feature.shape[-1]).transpose(1, 2)


def exact(values: Tensor) -> Tensor:
    """Detached, in float64; on the CPU where the device has no such numbers."""
    values = values.detach()
    return values.cpu().double() if values.device.type == "mps" else values.double()


def scaled(feature: Tensor, factors: Tensor) -> Tensor:
    """``feature`` with every channel of every image times its factor.

    Args:
        feature: of n images, in any layout that ``by_channel`` takes.
        factors: (n, C).
    """
    if find_channel_axis(feature) == 1:
        return feature * factors[:, :, None, None].to(feature.dtype)
    windows = feature.shape[0] // len(factors)
    return feature * factors.repeat_interleave(windows, 0)[:, None].to(feature.dtype)


@contextlib.contextmanager
def at_sites(net: nn.Module, changes: Mapping[str, Change]) -> Iterator[None]:
    """Call ``changes[site](feature)`` at each site in every forward pass.

    It sees the feature before anything that acts later can change it in place, and after a
    regularizer that is attached there. What it returns replaces the feature, None leaves it. All
    hooks are off afterwards, and each module is in the mode it was in; within, the network is in
    evaluation mode.
    """
    handles = []
    with evaluation_mode(net):
        try:
            for name, change in changes.items():
                module = net.get_submodule(name.removesuffix(INPUT))
                if name.endswith(INPUT):
                    handles.append(module.register_forward_pre_hook(_on_input(change)))
                else:
                    handles.append(module.register_forward_hook(_on_output(change)))
            yield
        finally:
            for handle in handles:
                handle.remove()


def run(net: nn.Module, lq: Tensor, what: str = "the crops") -> Tensor:
    """``net(lq)``.

    Args:
        net: the network.
        lq: (N, C, h, w), on any device.
        what: the images, for messages.

    Raises:
        AdasrError: the output has values that are not finite.
    """
    parameter = next(net.parameters(), lq)
    sr = net(lq.to(parameter.device))
    if not sr.isfinite().all():
        raise AdasrError(f"the network's output on {what} is not finite")
    return sr


def batches(count: int, size: int = BATCH) -> Iterator[slice]:
    """Slices that cover ``range(count)``."""
    for start in range(0, count, size):
        yield slice(start, min(start + size, count))


def _on_output(change: Change) -> Callable[..., Tensor | None]:
    return lambda module, args, output: change(output)


def _on_input(change: Change) -> Callable[..., tuple[Tensor, ...] | None]:
    def hook(module: nn.Module, args: tuple[Tensor, ...]) -> tuple[Tensor, ...] | None:
        changed = change(args[0])
        return None if changed is None else (changed, *args[1:])

    return hook
