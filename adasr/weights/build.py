"""Networks from options."""

from __future__ import annotations

import contextlib
import inspect
import json
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import nn

from ..archs.known_sites import default_sites
from ..errors import OptionError
from ..registry import ARCH_REGISTRY

_PROBE_SIDE = 32  # a multiple of every usual window and unshuffle factor


def build_network(options: Mapping[str, Any]) -> nn.Module:
    """The network that ``{"type": name, **options}`` describes.

    It remembers its name and all its options, the defaults too, as ``net.arch_options``, and has
    ``upscale``, ``default_sites`` and ``size_multiple`` (see ``adasr.archs``) whoever wrote it.

    Raises:
        OptionError: an unknown name or option, or a value that the network refuses.
    """
    name, arguments = ARCH_REGISTRY.check(options)
    ours = ARCH_REGISTRY.get(name).__module__.startswith("adasr.")
    try:
        net = ARCH_REGISTRY.build(options)
        if not ours:
            _restored(net)  # some wrong values, and networks for other things, only show then
    except OptionError:
        raise
    except Exception as error:  # whatever another library raises for a wrong value
        if ours:
            raise
        reason = f"{type(error).__name__}: {error}".strip(": ").partition("\n")[0]
        raise OptionError(f"'{name}' refuses its options ({reason}).", ("type",)) from error
    defaults = {
        option.name: option.default
        for option in ARCH_REGISTRY.options(name).values()
        if not option.required
    }
    chosen = {**defaults, **arguments}
    vars(net)["arch_options"] = _plain({"type": name, **chosen})
    add_attributes(net, chosen.get("upscale", chosen.get("scale")))
    return net


def add_attributes(net: nn.Module, upscale: Any = None) -> None:
    """Give a network of another library the attributes of ours, where it lacks them."""
    if not isinstance(getattr(net, "upscale", None), int):
        vars(net)["upscale"] = upscale if isinstance(upscale, int) else network_scale(net)
    if not hasattr(net, "default_sites"):
        vars(net)["default_sites"] = default_sites(net)
    if not hasattr(net, "size_multiple"):
        vars(net)["size_multiple"] = 1


def network_scale(net: nn.Module) -> int:
    """How many times larger the output of ``net`` is: its attribute, else measured."""
    for attribute in ("upscale", "scale"):
        if isinstance(getattr(net, attribute, None), int):
            return getattr(net, attribute)
    return round(_restored(net).shape[-1] / _PROBE_SIDE)


def _restored(net: nn.Module) -> torch.Tensor:
    """What ``net`` makes of a small black image."""
    parameter = next(net.parameters(), torch.zeros(()))
    probe = torch.zeros(1, input_channels(net), _PROBE_SIDE, _PROBE_SIDE)
    with evaluation_mode(net), torch.inference_mode():
        return net(probe.to(parameter))


@contextlib.contextmanager
def evaluation_mode(net: nn.Module) -> Iterator[None]:
    """Evaluation mode, and each module's own mode back afterwards."""
    training = [module for module in net.modules() if module.training]
    net.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True


def input_channels(net: nn.Module) -> int:
    """Channels of the images that ``net`` takes: 3, or 1 where its first convolution says so."""
    declared = getattr(net, "num_in_ch", None)
    if isinstance(declared, int):
        return declared
    first = next((m for m in net.modules() if isinstance(m, nn.Conv2d)), None)
    return 1 if first is not None and first.in_channels == 1 else 3


def _plain(value: Any) -> Any:
    """``value`` as JSON would give it back, so that saved and fresh options compare equal."""
    return json.loads(json.dumps(value, default=_default))


def _default(value: Any) -> Any:
    if value is inspect.Parameter.empty:
        return None
    raise TypeError(f"an option must be a number, text, list or mapping, got {value!r}")
