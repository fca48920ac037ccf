"""How far a network looks, measured: the overlap that tiles need."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

LIMIT = 64
"""Tiles overlap by at most this many pixels of the input."""
TOLERANCE = 0.02 / 255
"""A change that is no change. It was measured on few pixels: the worst of an image is larger."""
_HEIGHT = 24


@dataclass(frozen=True)
class Reach:
    """What lies around a tile and can change its output.

    Attributes:
        overlap: pixels of the input around a tile; a multiple of the network's ``multiple``.
        error: how much, in [0, 1], cutting the image beyond them still changed a value of the
            output; 0 only where the network looks no further. A deep network of convolutions is
            below ``TOLERANCE``; one that looks at the whole image may change more in a picture
            than in what it was measured on.
    """

    overlap: int
    error: float

    @property
    def is_exact(self) -> bool:
        """Whether the network certainly looks no further than ``overlap``."""
        return self.error == 0.0


@torch.no_grad()
def measure_reach(run: Callable[[Tensor], Tensor], channels: int, multiple: int = 1) -> Reach:
    """How far ``run`` looks.

    Exact where it looks no further than ``LIMIT``: a NaN in the input turns every output that
    depends on it into NaN. Else the distance at which cutting the image changes the output by less
    than ``TOLERANCE``, measured on noise and edges, at most ``LIMIT``. A network that looks at the
    whole image (channel attention, normalization over the image) has no overlap that makes tiles
    exact; then the change that is left is told.

    Args:
        run: the network in evaluation mode, (1, C, h, w) to (1, C, h * upscale, w * upscale).
        channels: C.
        multiple: sides must be multiples of it.
    """
    reach, error = _exact_reach(run, channels, multiple), 0.0
    if reach is None:
        reach, error = _visible_reach(run, channels, multiple)
    return Reach(_up(reach, multiple), error)


def needed_overlap(run: Callable[[Tensor], Tensor], channels: int, multiple: int = 1) -> int:
    """``measure_reach(...).overlap``."""
    return measure_reach(run, channels, multiple).overlap


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


def _visible_reach(
    run: Callable[[Tensor], Tensor], channels: int, multiple: int
) -> tuple[int, float]:
    cut, width = _up(LIMIT, multiple), _up(5 * LIMIT // 2, multiple)
    height = _up(_HEIGHT, multiple)
    noise = torch.rand(1, channels, height, width, generator=torch.Generator().manual_seed(0))
    edges = (torch.arange(width) // 8 % 2).expand_as(noise)
    strips = (noise, 0.3 * noise + 0.7 * edges)
    whole = torch.cat([run(strip) for strip in strips])
    part = torch.cat([run(strip[..., cut:]) for strip in strips])
    upscale = whole.shape[-1] // width
    change = (whole[..., cut * upscale :] - part).abs().amax(dim=(0, 1, 2))
    visible = (change > TOLERANCE).nonzero().flatten() // upscale
    reach = min(int(visible[-1]) + 1, LIMIT) if len(visible) else 0
    # Never 0: that a change was too small to be seen here is no proof.
    return reach, max(float(change[reach * upscale :].max()), 1e-9)


def _up(length: int, multiple: int) -> int:
    return math.ceil(length / multiple) * multiple
