"""Which file format a result gets."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import numpy as np

from ...data.encoding import WRITE_SUFFIXES, check_writable, encode
from ...data.metadata import Metadata
from ...errors import ImageWriteError, OptionError

# Formats that keep what they are given; all others become PNG unless the user names one.
_LOSSLESS = (".png", ".tif", ".tiff")
FALLBACKS = (".png", ".tif")
"""What a result is written as when the format that was asked for cannot hold it."""


def default_suffix(path: Path) -> str:
    """The format of the result when none is named: the input's where it is lossless, else PNG."""
    own = path.suffix.lower()
    return own if own in _LOSSLESS else ".png"


def read_suffix(ext: str | None, quality: int | None = None) -> str | None:
    """``"JPG"``, ``".jpg"`` or ``"jpg"`` as ``".jpg"``.

    Args:
        ext: the format that the user names.
        quality: of its files, 1 to 100.

    Raises:
        OptionError: no such format, or no such quality.
        ImageWriteError: its encoder is not installed.
    """
    if quality is not None and not 1 <= quality <= 100:
        raise OptionError(f"must lie in 1 to 100, got {quality}.", ("quality",))
    if ext is None:
        return None
    ext = f".{ext.lower().removeprefix('.')}"
    if ext not in WRITE_SUFFIXES:
        known = ", ".join(s[1:] for s in WRITE_SUFFIXES)
        raise OptionError(f"unknown image format '{ext[1:]}'.", ("ext",), f"Known: {known}.")
    encode(Path(f"*{ext}"), np.zeros((1, 1, 3), np.uint8), Metadata(), quality)
    return ext


def holding_suffix(output: Path, shape: tuple[int, ...], dtype: Any) -> str:
    """The suffix of ``output``, or that of the format that such an image is written in instead.

    Args:
        output: its suffix names the format that was asked for.
        shape: (H, W, C).
        dtype: uint8, uint16 or float32.
    """
    # BMP has room for alpha, which most programs ignore.
    unsuited = (".bmp",) if shape[2] in (2, 4) else ()
    for suffix in (output.suffix, *FALLBACKS):
        if suffix in unsuited:
            continue
        with contextlib.suppress(ImageWriteError):
            check_writable(output.with_suffix(suffix), shape, dtype, None)
            return suffix
    return output.suffix  # writing it tells what is wrong
