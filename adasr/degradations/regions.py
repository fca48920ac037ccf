"""Rectangles of an image, and which part of the input an operator needs for a part of its result.

A degraded crop is a part of a degraded frame. Coordinates always count from the frame's corner, so
that a crop computed alone keeps the frame's borders, sampling positions and grid of JPEG blocks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import cv2
from torch import Tensor

Span = tuple[int, int]
"""First and one past the last index along one axis."""


class Region(NamedTuple):
    """Rows and columns of a frame."""

    rows: Span
    columns: Span

    @property
    def size(self) -> tuple[int, int]:
        """(height, width)."""
        return self.rows[1] - self.rows[0], self.columns[1] - self.columns[0]

    def mapped(self, rows: Callable[[Span], Span], columns: Callable[[Span], Span]) -> Region:
        """Another region by a function for each axis."""
        return Region(rows(self.rows), columns(self.columns))

    def hull(self, other: Region) -> Region:
        """The smallest region that holds both."""
        return self.mapped(lambda span: _hull(span, other.rows), lambda s: _hull(s, other.columns))

    def scaled(self, factor: int) -> Region:
        """The same region in pixels ``factor`` times smaller."""
        return Region(*((low * factor, high * factor) for low, high in self))

    def cut(self, image: Tensor, have: Region) -> Tensor:
        """This part of an image (..., H, W) that covers ``have``, which contains it."""
        top, left = self.rows[0] - have.rows[0], self.columns[0] - have.columns[0]
        height, width = self.size
        return image[..., top : top + height, left : left + width]


def whole(size: tuple[int, int]) -> Region:
    """The region of a whole frame of (height, width)."""
    return Region((0, size[0]), (0, size[1]))


def reach(span: Span, radius: int, length: int) -> Span:
    """What of an axis lies under ``span`` grown on both sides; mirrored at the borders, the same.

    A mirrored pixel is no further away than the border's other side, which is in reach too.
    """
    return max(0, span[0] - radius), min(length, span[1] + radius)


def grown(image: Tensor, have: Region, want: Region, radius: int, size: tuple[int, int]) -> Tensor:
    """``want`` and some pixels around it, mirrored at the first and last pixels of the frame.

    Args:
        image: (C, H, W) on the CPU that covers ``have``, which holds what ``reach`` says.
        have: region of ``image``.
        want: region to grow.
        radius: pixels to add on every side.
        size: (height, width) of the frame.
    """
    inside = want.mapped(
        lambda rows: reach(rows, radius, size[0]), lambda columns: reach(columns, radius, size[1])
    )
    top, left = radius - want.rows[0] + inside.rows[0], radius - want.columns[0] + inside.columns[0]
    height, width = (side + 2 * radius for side in want.size)
    part = inside.cut(image, have)
    if inside.size == (height, width):
        return part
    bottom, right = height - top - inside.size[0], width - left - inside.size[1]
    result = part.new_empty(part.shape[0], height, width)
    for plane, padded in zip(part.numpy(), result.numpy(), strict=True):
        cv2.copyMakeBorder(plane, top, bottom, left, right, cv2.BORDER_REFLECT_101, padded)
    return result


def _hull(a: Span, b: Span) -> Span:
    return min(a[0], b[0]), max(a[1], b[1])
