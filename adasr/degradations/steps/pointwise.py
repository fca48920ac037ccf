"""Operators that act on each pixel alone."""

from __future__ import annotations

from torch import Tensor

from ..regions import Region


class Pointwise:
    """An operator whose result hangs on the same part of its input."""

    def before(self, region: Region) -> Region:
        """The same."""
        return region

    def __call__(self, image: Tensor, have: Region, want: Region) -> Tensor:
        """The changed part."""
        return self.change(want.cut(image, have))

    def change(self, image: Tensor) -> Tensor:
        """A new (3, h, w) image in [0, 1]."""
        raise NotImplementedError


class Clamp(Pointwise):
    """Back to [0, 1] after an operator that overshoots."""

    def change(self, image: Tensor) -> Tensor:
        """The clamped image."""
        return image.clamp(0, 1)
