"""Generalizable blind super-resolution and image restoration with Adaptive Dropout."""

from .version import __version__

__all__ = ["__version__"]
