"""Networks and their weights: built from options, saved, and loaded from the file alone.

Weights are safetensors files whose metadata tells the architecture, its options and the scale.
``.pth`` files are read as data; code in them is never run.
"""

from .build import build_network, network_scale
from .convert import convert
from .load import load_into, load_network
from .save import save_network
from .state import load_state

__all__ = [
    "build_network",
    "convert",
    "load_into",
    "load_network",
    "load_state",
    "network_scale",
    "save_network",
]
