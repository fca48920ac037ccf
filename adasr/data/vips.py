"""libvips where it is installed: rows of images too large for memory, odd kinds of TIFF."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import numpy as np

from ..errors import ImageReadError
from .headers import RE_EXPORT

KINDS = {"uchar": np.uint8, "ushort": np.uint16, "float": np.float32}


def vips() -> ModuleType | None:
    """The package pyvips, None where it or its library is missing."""
    try:
        import pyvips  # pyright: ignore[reportMissingImports]
    except (ImportError, OSError):  # OSError: the package without the library
        return None
    return pyvips


def decode_with_vips(data: bytes, path: Path) -> np.ndarray:
    """Pixels (H, W, C), C from 1 to 4, uint8, uint16 or float32, not turned.

    Raises:
        ImageReadError: damaged, cut off, of an unsupported kind, or pyvips is missing.
    """
    pyvips = vips()
    if pyvips is None:
        hint = f"`pip install pyvips[binary]` makes it readable. {RE_EXPORT}"
        raise ImageReadError(
            path, "is a TIFF of separate colour planes or of an unusual kind of alpha", hint
        )
    try:
        image = pyvips.Image.new_from_buffer(data, "", fail_on="error", unlimited=True)
        kind = KINDS.get(image.format)
        if kind is None or image.bands > 4:
            problem = f"has {image.bands} channels of type {image.format}"
            raise ImageReadError(path, problem, RE_EXPORT)
        pixels = np.frombuffer(image.write_to_memory(), kind)
    except pyvips.Error as error:
        reason = first_line(error)
        raise ImageReadError(path, f"is damaged or of an unsupported kind ({reason})") from None
    return pixels.reshape(image.height, image.width, image.bands).copy()


def first_line(error: Exception) -> str:
    """A pyvips.Error's reason without the call it came from."""
    detail = str(getattr(error, "detail", "") or error)
    return detail.strip().partition("\n")[0].strip()
