"""Cutting an image into tiles so that the result equals that of the whole image."""

from __future__ import annotations

import itertools
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

    def widened(self, by: int) -> tuple[int, int]:
        """From where to where the kept part reaches with ``by`` more pixels on its inner sides."""
        return max(self.read_start, self.start - by), min(self.read_stop, self.stop + by)


@dataclass(frozen=True)
class Tile:
    """A tile: its rows and its columns."""

    rows: Span
    columns: Span

    def read(self, images: Tensor) -> Tensor:
        """The tile with its overlap, cut out of (N, C, H, W)."""
        rows, columns = self.rows, self.columns
        return images[..., rows.read_start : rows.read_stop, columns.read_start : columns.read_stop]

    def keep(self, output: Tensor, upscale: int, more: int = 0) -> Tensor:
        """The network's output for this tile without the overlap, ``more`` pixels of it kept."""
        rows, columns = self.rows.widened(more), self.columns.widened(more)
        top, bottom = ((edge - self.rows.read_start) * upscale for edge in rows)
        left, right = ((edge - self.columns.read_start) * upscale for edge in columns)
        return output[..., top:bottom, left:right]


def spans(length: int, tile: int, overlap: int, multiple: int = 1, first: int = 0) -> list[Span]:
    """``length`` pixels in parts of nearly one size, at most ``tile``, each read with ``overlap``.

    Args:
        length: a multiple of ``multiple``.
        tile: the largest part; at least one ``multiple`` is taken.
        overlap: pixels read beyond a part on each side, inside the image.
        multiple: all starts and sizes are multiples of it, so that windows and unshuffled pixels
            fall as in the whole image.
        first: where the first part begins; a multiple of ``multiple``.
    """
    units = math.ceil((length - first) / multiple)
    parts = math.ceil(units / max(1, tile // multiple))
    edges = [first + units * part // parts * multiple for part in range(parts + 1)]
    overlap = math.ceil(overlap / multiple) * multiple
    return [
        Span(start, stop, max(0, start - overlap), min(stop + overlap, length))
        for start, stop in itertools.pairwise(edges)
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
        target = padded(length, multiple, minimum)
        if target > length:
            images = images.index_select(axis, reflected(length, target).to(images.device))
    return images


def padded(length: int, multiple: int, minimum: int = 1) -> int:
    """``length`` raised to a multiple that is at least ``minimum``."""
    return math.ceil(max(length, minimum) / multiple) * multiple


def reflected(length: int, target: int) -> Tensor:
    """Which of ``length`` pixels stands at each of ``target`` places, reflected at the end."""
    period = max(1, 2 * (length - 1))
    index = torch.arange(target) % period
    return torch.where(index < length, index, period - index)
