"""Resizing each sample from its size to another, in its own mode, as two matrix products."""

from __future__ import annotations

import torch
from torch import Tensor

from ..resize import MODES
from .canvas import places, replicated

_SHARPNESS = -0.75  # of the cubic kernel, as in F.interpolate


def resize(
    images: Tensor,
    sizes: Tensor,
    targets: Tensor,
    mode: Tensor,
    canvas: tuple[int, int],
    smallest: tuple[int, int],
    factor: Tensor | None = None,
) -> Tensor:
    """Resize without antialiasing, as ``F.interpolate``, with sizes and modes of each sample.

    Args:
        images: (N, C, H, W) canvases.
        sizes: (N, 2) true sizes.
        targets: (N, 2) wanted sizes, at most ``canvas``.
        mode: (N,) indices into ``MODES``.
        canvas: (height, width) of the result's canvases; the last row and column of each sample
            are repeated to their ends.
        smallest: (height, width) below which no target is.
        factor: (N,) nominal factors that place the samples, except for "area"; by default the
            quotients of the sizes.

    Returns:
        (N, C, *canvas).
    """
    n, c, h, w = images.shape
    # Both axes are lines of one batch, for half as many operations.
    matrices = resize_matrix(
        sizes.T.flatten(),
        targets.T.flatten(),
        mode.repeat(2),
        (max(canvas), max(h, w)),
        max(_taps(h, smallest[0]), _taps(w, smallest[1])),
        None if factor is None else factor.repeat(2),
    )
    down, across = matrices[:n, : canvas[0], :h], matrices[n:, : canvas[1], :w]
    # Channels and rows are one axis of the first product, which needs no copy of its matrices.
    columns = images.reshape(n, c * h, w) @ across.mT
    return down[:, None] @ columns.view(n, c, h, canvas[1])


def resize_matrix(
    size: Tensor,
    target: Tensor,
    mode: Tensor,
    shape: tuple[int, int],
    taps: int,
    factor: Tensor | None = None,
) -> Tensor:
    """Rows of weights that make a line of ``target`` pixels out of one of ``size`` pixels.

    Args:
        size: (N,) lengths.
        target: (N,) lengths of the results.
        mode: (N,) indices into ``MODES``.
        shape: (rows, columns) of the matrices, no less than the largest target and size.
        taps: no weight lies further than this from the first of its row.
        factor: as for ``resize``.

    Returns:
        (N, rows, columns) float32; rows from ``target`` on repeat the last one.
    """
    i = replicated(places(shape[0], size), target)[:, :, None]
    length, goal = size[:, None, None], target[:, None, None]
    step = length / goal if factor is None else (1 / factor.float())[:, None, None]
    centre = (i + 0.5) * step - 0.5
    area, bicubic = (mode[:, None, None] == MODES.index(name) for name in ("area", "bicubic"))
    start = torch.where(area, (i * length).div(goal, rounding_mode="floor"), centre.floor() - 1)
    taps = min(taps, shape[1])
    j = start.long().clamp(0, shape[1] - taps) + places(taps, size)
    weights = torch.where(bicubic, _bicubic(centre, j, length), _bilinear(centre, j, length))
    weights = torch.where(area, _area(i, j, length, goal), weights)
    return weights.new_zeros(len(size), *shape).scatter_(2, j, weights)


def _taps(longest: int, shortest: int) -> int:
    """Pixels that one pixel of the result may hang on."""
    return max(4, -(-longest // shortest) + 1)


def _area(i: Tensor, j: Tensor, length: Tensor, goal: Tensor) -> Tensor:
    """The mean of all pixels that the new one touches."""
    first = (i * length).div(goal, rounding_mode="floor")
    end = ((i + 1) * length + goal - 1).div(goal, rounding_mode="floor")
    return ((j >= first) & (j < end)) / (end - first)


def _bilinear(centre: Tensor, j: Tensor, length: Tensor) -> Tensor:
    centre = torch.minimum(centre.clamp(min=0), length - 1.0)
    return (1 - (centre - j).abs()).clamp(min=0)


def _bicubic(centre: Tensor, j: Tensor, length: Tensor) -> Tensor:
    """Weights of pixels beyond an end go to the pixel at that end."""
    # Two pixels more on each side of the run of pixels j: there are no others with weights.
    wide = j[..., :1] - 2 + places(j.shape[-1] + 4, j)
    weights = _cubic(centre - wide)
    below, beyond = wide < 0, wide >= length
    before, after = ((weights * outside).sum(-1, keepdim=True) for outside in (below, beyond))
    weights = weights.masked_fill(below | beyond, 0.0)[..., 2:-2]
    return weights + before * (j == 0) + after * (j == length - 1)


def _cubic(distance: Tensor) -> Tensor:
    """Keys' convolution kernel."""
    a, x = _SHARPNESS, distance.abs()
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = ((x - 5) * x + 8) * x * a - 4 * a
    return torch.where(x <= 1, near, torch.where(x < 2, far, 0.0))
