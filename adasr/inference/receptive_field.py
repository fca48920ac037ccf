"""How far a network looks, measured: the overlap that tiles need."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

LIMIT = 64
"""Tiles overlap by at most this many pixels of the input."""
_TOLERANCE = 0.1 / 255
_HEIGHT = 24


@torch.no_grad()
def needed_overlap(run: Callable[[Tensor], Tensor], channels: int, multiple: int = 1) -> int:
    """Pixels of the input around a tile that can change the tile's output.

    Exact where the network looks no further than ``LIMIT``: a NaN in the input turns every output
    that depends on it into NaN. Else the distance at which cutting the image changes the output by
    less than a tenth of an 8-bit step, measured on noise and edges, at most ``LIMIT``. A network
    that looks at the whole image (global pooling, normalization over the image) has no overlap
    that makes tiles exact.

    Args:
        run: the network in evaluation mode, (1, C, h, w) to (1, C, h * upscale, w * upscale).
        channels: C.
        multiple: sides must be multiples of it.

    Returns:
        A multiple of ``multiple``.
    """
    reach = _exact_reach(run, channels, multiple)
    if reach is None:
        reach = _visible_reach(run, channels, multiple)
    return math.ceil(reach / multiple) * multiple


def _exact_reach(run: Callable[[Tensor], Tensor], channels: int, multiple: int) -> int | None:
    # A strip: how far a network of square kernels looks along one axis, it looks along the other.
    half = LIMIT + 2
    width = _up(2 * half + 1, multiple)
    strip = torch.rand(
        1, channels, _up(_HEIGHT // 2, multiple), width, generator=torch.Generator().manual_seed(0)
    )
    strip[..., half] = math.nan
    output = run(strip)
    upscale = output.shape[-1] // width
    changed = (~output.isfinite()).any(dim=-2).any(dim=1)[0].nonzero().flatten() // upscale
    if not len(changed):
        return None
    first, last = int(changed[0]), int(changed[-1])
    # The NaN stood in one of several places within an unshuffled pixel or window.
    reach = max(half - first, last - half) + multiple - 1
    return reach if reach <= LIMIT else None


def _visible_reach(run: Callable[[Tensor], Tensor], channels: int, multiple: int) -> int:
    cut, width = _up(LIMIT, multiple), _up(5 * LIMIT // 2, multiple)
    height = _up(_HEIGHT, multiple)
    noise = torch.rand(1, channels, height, width, generator=torch.Generator().manual_seed(0))
    edges = (torch.arange(width) // 8 % 2).expand_as(noise)
    strip = 0.3 * noise + 0.7 * edges
    whole, part = run(strip), run(strip[..., cut:])
    upscale = whole.shape[-1] // width
    change = (whole[..., cut * upscale :] - part).abs().amax(dim=(0, 1, 2))
    visible = (change > _TOLERANCE).nonzero().flatten() // upscale
    return min(int(visible[-1]) + 1, LIMIT) if len(visible) else 0


def _up(length: int, multiple: int) -> int:
    return math.ceil(length / multiple) * multiple
