"""Which file format a result gets."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ...data.images import WRITE_SUFFIXES
from ...errors import OptionError

# Formats that keep what they are given; all others become PNG unless the user names one.
_LOSSLESS = (".png", ".tif", ".tiff")
FALLBACKS = (".png", ".tif")
"""What a result is written as when the format that was asked for cannot hold it."""
_LONGEST_SIDE = {".webp": 16383, ".jpg": 65500, ".jpeg": 65500}


def default_suffix(path: Path) -> str:
    """The format of the result when none is named: the input's where it is lossless, else PNG."""
    own = path.suffix.lower()
    return own if own in _LOSSLESS else ".png"


def read_suffix(ext: str | None) -> str | None:
    """``"JPG"``, ``".jpg"`` or ``"jpg"`` as ``".jpg"``.

    Raises:
        OptionError: no such format can be written.
    """
    if ext is None:
        return None
    ext = f".{ext.lower().removeprefix('.')}"
    if ext not in WRITE_SUFFIXES:
        known = ", ".join(s[1:] for s in WRITE_SUFFIXES)
        raise OptionError(f"unknown image format '{ext[1:]}'.", ("ext",), f"Known: {known}.")
    return ext


def holding_suffix(shape: tuple[int, ...], dtype: np.dtype, suffix: str) -> str:
    """``suffix``, or that of the format that an image of this kind is written in instead.

    Args:
        shape: (H, W) or (H, W, C).
        dtype: uint8, uint16 or float.
        suffix: of the format that was asked for.
    """
    if dtype.kind == "f":
        return suffix if suffix in (".tif", ".tiff") else ".tif"
    if dtype != np.uint8 and suffix not in _LOSSLESS:
        return ".png"
    if len(shape) == 3 and shape[2] in (2, 4) and suffix not in (*_LOSSLESS, ".webp"):
        return ".png"
    if max(shape[:2]) > _LONGEST_SIDE.get(suffix, 2**31):
        return ".png"
    return suffix
