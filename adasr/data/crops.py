"""Random crops, flips and quarter turns as pure functions of a seed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import cv2
import numpy as np


class Pixels(Protocol):
    """An (H, W, C) image, in memory or somewhere else; ``np.asarray`` of it is all of it."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(H, W, C)."""
        ...

    def __getitem__(self, window: tuple[slice, slice], /) -> np.ndarray: ...

    def __array__(self, dtype: Any = None, /) -> np.ndarray: ...


@dataclass(frozen=True)
class Crop:
    """A square of an image and how it is turned; lengths in pixels of the image it was drawn for.

    ``transpose`` comes last: with both flips it makes all eight symmetries of the square.
    """

    top: int
    left: int
    size: int
    hflip: bool = False
    vflip: bool = False
    transpose: bool = False

    def apply(self, pixels: Pixels, ratio: int = 1) -> np.ndarray:
        """The crop of an (H, W, C) image that is ``ratio`` times larger than the one drawn for."""
        top, left, size = self.top * ratio, self.left * ratio, self.size * ratio
        image = pixels[top : top + size, left : left + size]
        if self.hflip:
            image = image[:, ::-1]
        if self.vflip:
            image = image[::-1]
        if self.transpose:
            image = image.transpose(1, 0, 2)
        return image

    def planes(self, pixels: Pixels) -> np.ndarray:
        """A copy of the crop of an (H, W, 3) image, (3, size, size), faster than by NumPy."""
        image = pixels[self.top : self.top + self.size, self.left : self.left + self.size]
        if self.hflip or self.vflip:
            image = cv2.flip(image, -1 if self.hflip and self.vflip else int(self.hflip))
        if self.transpose:
            image = cv2.transpose(image)
        planes = np.empty((3, self.size, self.size), image.dtype)
        cv2.split(image, list(planes))
        return planes


def draw_crop(
    seed: int, height: int, width: int, size: int, use_hflip: bool = True, use_rot: bool = True
) -> Crop:
    """A uniformly drawn crop of an image of at least ``size`` x ``size`` pixels.

    The same arguments give the same crop on every machine and every version of NumPy: the raw
    stream of Philox is frozen, that of the distributions on top of it is not.

    Args:
        seed: not negative.
        height: of the image.
        width: of the image.
        size: side of the crop.
        use_hflip: mirror half of the crops left to right.
        use_rot: turn the crops by quarters: mirror half top to bottom, transpose half.
    """
    top, left, hflip, vflip, transpose = (int(raw) for raw in np.random.Philox(seed).random_raw(5))
    return Crop(
        top=top % (height - size + 1),
        left=left % (width - size + 1),
        size=size,
        hflip=use_hflip and hflip >> 63 == 1,
        vflip=use_rot and vflip >> 63 == 1,
        transpose=use_rot and transpose >> 63 == 1,
    )


def pad_to(image: Pixels, size: int) -> Pixels:
    """Reflect an (H, W, C) image at its bottom and right until both sides are at least ``size``.

    As Real-ESRGAN does with training images smaller than the crop; the edge is not repeated.
    """
    height, width = image.shape[:2]
    below, right = max(0, size - height), max(0, size - width)
    if below == right == 0:
        return image
    padded = cv2.copyMakeBorder(np.asarray(image), 0, below, 0, right, cv2.BORDER_REFLECT_101)
    return padded.reshape(height + below, width + right, -1)
