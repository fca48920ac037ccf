"""The command ``adasr``. Exit codes: 0 all done, 1 some inputs failed, 2 wrong usage or options.

A file for each group of commands; ``app.py`` is the command line that they join.
"""

# The order of the commands in the help.
from . import train, ablate, evaluate, analyze  # noqa: F401, I001
from . import infer, app_page, weights, images, about  # noqa: F401
from .entry import main

__all__ = ["main"]
