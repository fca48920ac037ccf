"""Cutting an image into tiles so that the result equals that of the whole image."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Span:
    """One tile along one axis, in pixels of the input: what is read and what is kept of it."""

    start: int
    stop: int
    read_start: int
    read_stop: int


@dataclass(frozen=True)
class Tile:
    """A tile: its rows and its columns."""

    rows: Span
    columns: Span

    def read(self, images: Tensor) -> Tensor:
        """The tile with its overlap, cut out of (N, C, H, W)."""
        rows, columns = self.rows, self.columns
        return images[..., rows.read_start : rows.read_stop, columns.read_start : columns.read_stop]

    def keep(self, output: Tensor, upscale: int) -> Tensor:
        """The network's output for this tile without the overlap."""
        top = (self.rows.start - self.rows.read_start) * upscale
        left = (self.columns.start - self.columns.read_start) * upscale
        height = (self.rows.stop - self.rows.start) * upscale
        width = (self.columns.stop - self.columns.start) * upscale
        return output[..., top : top + height, left : left + width]


def spans(length: int, tile: int, overlap: int, multiple: int = 1) -> list[Span]:
    """``length`` pixels in equal parts of at most ``tile``, each read with ``overlap`` around it.

    Args:
        length: a multiple of ``multiple``.
        tile: the largest part; at least one ``multiple`` is taken.
        overlap: pixels read beyond a part on each side, inside the image.
        multiple: all starts and sizes are multiples of it, so that windows and unshuffled pixels
            fall as in the whole image.
    """
    units = math.ceil(length / multiple)
    parts = math.ceil(units / max(1, tile // multiple))
    size = math.ceil(units / parts) * multiple
    overlap = math.ceil(overlap / multiple) * multiple
    return [
        Span(
            start,
            min(start + size, length),
            max(0, start - overlap),
            min(start + size + overlap, length),
        )
        for start in range(0, length, size)
    ]


def grid(height: int, width: int, tile: int, overlap: int, multiple: int = 1) -> list[Tile]:
    """The tiles of an image, row by row; a single one when ``tile`` is 0."""
    if tile == 0:
        return [Tile(Span(0, height, 0, height), Span(0, width, 0, width))]
    columns = spans(width, tile, overlap, multiple)
    return [Tile(row, col) for row in spans(height, tile, overlap, multiple) for col in columns]


def pad_to_multiple(images: Tensor, multiple: int, minimum: int = 1) -> Tensor:
    """(N, C, H, W) reflected at the right and bottom until both sides are multiples.

    Images of any size are taken, also those smaller than the padding: reflections repeat.

    Args:
        images: (N, C, H, W).
        multiple: both sides become multiples of it.
        minimum: and at least this long.
    """
    for axis in (-2, -1):
        length = images.shape[axis]
        target = math.ceil(max(length, minimum) / multiple) * multiple
        if target > length:
            images = images.index_select(axis, _reflected(length, target).to(images.device))
    return images


def _reflected(length: int, target: int) -> Tensor:
    period = max(1, 2 * (length - 1))
    index = torch.arange(target) % period
    return torch.where(index < length, index, period - index)
