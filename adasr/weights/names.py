"""Networks and keys in words, for messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from .build import network_scale

SHOWN = 3  # keys named in a message
_SIZES = ("num_feat", "embed_dim", "dim", "feature_channels", "num_block", "num_conv")


def name_of(net: nn.Module) -> str:
    """Name, scale and width of a network, as a person tells networks apart."""
    options = getattr(net, "arch_options", None)
    name = getattr(net, "arch_name", type(net).__name__)
    return name_of_options(options) or f"{name} x{network_scale(net)}"


def name_of_options(options: Mapping[str, Any] | None) -> str:
    """The same from its options; empty without any."""
    if not options:
        return ""
    sizes = [f"{key} {options[key]}" for key in _SIZES if key in options]
    scale = scale_of(options)
    name = f"{options['type']} x{scale}" if scale is not None else str(options["type"])
    return f"{name} with {', '.join(sizes)}" if sizes else name


def scale_of(options: Mapping[str, Any]) -> int | None:
    """The scale that a network's options tell."""
    scale = options.get("upscale", options.get("scale"))
    return scale if isinstance(scale, int) else None


def listed(what: str, keys: Sequence[str]) -> str:
    """``what`` and the first few keys, and how many more there are; empty without any."""
    if not keys:
        return ""
    more = f" and {len(keys) - SHOWN} more" if len(keys) > SHOWN else ""
    return f"{what}: {', '.join(keys[:SHOWN])}{more}"


def shape_of(value: Tensor) -> str:
    """E.g. ``64x3x3x3``."""
    return "x".join(map(str, value.shape)) or "scalar"
