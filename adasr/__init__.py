"""Generalizable blind super-resolution and image restoration with Adaptive Dropout.

The public names are imported on first use, so that ``import adasr`` stays light.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from .version import __version__

if TYPE_CHECKING:
    from .inference.upscaler import Upscaler
    from .regularizers.adaptive_dropout import AdaptiveDropout
    from .regularizers.channel_dropout import ChannelDropout
    from .regularizers.element_dropout import ElementDropout
    from .regularizers.schedules import LayerwiseAnnealing
    from .regularizers.sites import Site, attach, detach
    from .weights import build_network, load_network, save_network

_PLACES = {
    "AdaptiveDropout": "regularizers.adaptive_dropout",
    "ChannelDropout": "regularizers.channel_dropout",
    "ElementDropout": "regularizers.element_dropout",
    "LayerwiseAnnealing": "regularizers.schedules",
    "Site": "regularizers.sites",
    "Upscaler": "inference.upscaler",
    "attach": "regularizers.sites",
    "build_network": "weights",
    "detach": "regularizers.sites",
    "load_network": "weights",
    "save_network": "weights",
}

__all__ = [
    "AdaptiveDropout",
    "ChannelDropout",
    "ElementDropout",
    "LayerwiseAnnealing",
    "Site",
    "Upscaler",
    "__version__",
    "attach",
    "build_network",
    "detach",
    "load_network",
    "save_network",
]


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module 'adasr' has no attribute '{name}'")
    return getattr(importlib.import_module(f".{_PLACES[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_PLACES})
