"""How large tiles may be in the memory that is free."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from .backend import Backend
from .receptive_field import Reach
from .rows import Rows

SMALLEST_TILE = 32
_MEMORY_SHARE = 0.5
# Larger ones save little overlap, and somebody waits for the next step of the progress bar.
_LARGEST_AREA = 1448**2


class TileSize(NamedTuple):
    """Sides of a tile in pixels of the input, without the overlap."""

    rows: int
    columns: int


def auto_size(
    backend: Backend, reach: Callable[[], Reach], height: int, width: int, source: Rows
) -> TileSize:
    """The whole image where half of the free memory holds it, else tiles that fit.

    The overlap counts, and so do the rows of the image that are held beside the network.

    Args:
        backend: the network.
        reach: measures how far it looks.
        height, width: of the image in pixels, padded.
        source: the image.
    """
    share = _MEMORY_SHARE * backend.available_bytes()
    planes = min(source.shape[2], 3) if backend.channels == 1 else 1
    pixels = min(share / (backend.bytes_per_pixel() * planes), _LARGEST_AREA)
    # A band is held as it is read and, enlarged, as values and once more while they are sorted in.
    held = source.shape[2] * np.dtype(source.dtype).itemsize * (1 + 2 * backend.upscale**2)
    if height * width <= pixels and height * width * held <= share:
        return TileSize(height, width)
    overlap = reach().overlap
    if not reach().is_exact:  # sums of weighted values in fp32, and they once more to be rounded
        held += 2 * 4 * min(source.shape[2], 3) * backend.upscale**2
    side = max(SMALLEST_TILE, int(math.sqrt(pixels)) - 2 * overlap)
    rows = int(share / (width * held)) - 2 * overlap
    return TileSize(max(SMALLEST_TILE, min(side, rows)), side)
