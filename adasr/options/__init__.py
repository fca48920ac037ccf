"""Option YAMLs, checked before anything runs, and the typed options that everything else takes.

``load_options`` is the door: behind it options are attributes of unchangeable models, and whatever
is wrong with a file is told at once, each fault with its line, its key and a remedy.
"""

from .checks import check_options
from .components import Component
from .faults import Fault, OptionsFileError
from .json_schema import json_schema
from .loading import dump_options, load_options
from .paths import check_paths
from .regularizer import read_regularizer
from .schema import Options, RegularizerOptions, TrainDataset

__all__ = [
    "Component",
    "Fault",
    "Options",
    "OptionsFileError",
    "RegularizerOptions",
    "TrainDataset",
    "check_options",
    "check_paths",
    "dump_options",
    "json_schema",
    "load_options",
    "read_regularizer",
]
