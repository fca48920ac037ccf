"""The steps of a degradation as operators on a part of a frame, on a CPU.

An operator knows the size of the frame it acts on. It says which part of its input a part of its
result hangs on, and computes the one from the other as if it had the whole frame. ``run`` chains
them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Generator, Tensor

from .correlate import Kernel, correlate
from .jpeg import JpegMethod, code_part, jpeg
from .levels import add_noise
from .random_numbers import standard_normal
from .recording import note
from .regions import Region, Span, grown, reach
from .resize import Axis, resize
from .shot_noise import level_counts, levels_of, shot_noise

Size = tuple[int, int]
"""(height, width) of a frame."""

_MCU = 16  # side of the blocks that JPEG with halved chroma codes together


class Operator(Protocol):
    """One step of a degradation."""

    def before(self, region: Region) -> Region:
        """The part of the input that ``region`` of the result hangs on."""
        ...

    def __call__(self, image: Tensor, have: Region, want: Region) -> Tensor:
        """``want`` of the result from a (3, H, W) image that covers ``have``."""
        ...


def plan(operators: Sequence[Operator], region: Region) -> list[Region]:
    """What every operator needs, and ``region`` itself last."""
    regions = [region]
    for operator in reversed(operators):
        regions.append(operator.before(regions[-1]))
    return regions[::-1]


def run(operators: Sequence[Operator], image: Tensor, regions: Sequence[Region]) -> Tensor:
    """Apply the operators one after the other.

    Args:
        operators: the steps.
        image: (3, H, W) in [0, 1] that covers the first region.
        regions: from ``plan``.

    Returns:
        (3, h, w), the last region of the result.
    """
    for operator, have, want in zip(operators, regions, regions[1:], strict=False):
        image = operator(image, have, want)
    return image


@dataclass(frozen=True)
class Filter:
    """Correlation with a kernel; the frame's border is reflected (dcb|abcd|cba)."""

    kernel: Kernel
    size: Size

    def before(self, region: Region) -> Region:
        """Grown by the radius."""
        r, (height, width) = self.kernel.radius, self.size
        return region.mapped(
            lambda rows: reach(rows, r, height), lambda columns: reach(columns, r, width)
        )

    def __call__(self, image: Tensor, have: Region, want: Region) -> Tensor:
        """The filtered part."""
        r = self.kernel.radius
        return correlate(grown(image, have, want, r, self.size), self.kernel)


@dataclass(frozen=True)
class Resize:
    """Resizing of the rows and columns of a frame, see ``resize.Axis``."""

    rows: Axis
    columns: Axis

    @property
    def size(self) -> Size:
        """(height, width) of the result's frame."""
        return self.rows.target, self.columns.target

    def before(self, region: Region) -> Region:
        """Under the taps of the region's pixels."""
        return region.mapped(self.rows.before, self.columns.before)

    def __call__(self, image: Tensor, have: Region, want: Region) -> Tensor:
        """The resized part."""
        if self.rows.is_identity and self.columns.is_identity:
            return want.cut(image, have)
        return resize(image, self.rows, self.columns, have, want)


def tell(operators: Sequence[Operator]) -> None:
    """Leave notes of the operators and their parameters, see ``recording``."""
    for operator in operators:
        match operator:
            case Filter(kernel):
                kind = "sinc" if (kernel.table < 0).any() else "blur"
                note("Filter", kind=kind, side=f"{2 * kernel.radius + 1} px")
            case Resize(rows):
                height, width = operator.size
                note("Resize", mode=rows.mode, to=f"{height}x{width}")
            case GaussianNoise(sigma, gray):
                note("GaussianNoise", sigma=sigma, kind="gray" if gray else "colour")
            case PoissonNoise(scale, gray):
                note("PoissonNoise", scale=scale, kind="gray" if gray else "colour")
            case Jpeg(quality):
                note("JPEG", quality=quality)


def resized_by(size: Size, factor: float, mode: str) -> Resize:
    """By a nominal factor: sizes are rounded down, samples lie where the factor itself puts them.

    As ``interpolate(scale_factor=factor)``. The samples' distance is not the quotient of the sizes:
    at the far border the result is up to a pixel off.
    """
    rows, columns = (Axis(n, max(1, int(n * factor)), mode, factor) for n in size)
    return Resize(rows, columns)


def resized_to(size: Size, target: Size, mode: str) -> Resize:
    """To a size, as ``interpolate(size=target)``."""
    rows, columns = (Axis(n, m, mode) for n, m in zip(size, target, strict=True))
    return Resize(rows, columns)


@dataclass(frozen=True)
class GaussianNoise:
    """Normal noise of ``sigma`` / 255, clamped to [0, 1]; ``gray``: the same in all channels."""

    sigma: float
    gray: bool
    generator: Generator

    def before(self, region: Region) -> Region:
        """The same."""
        return region

    def __call__(self, image: Tensor, have: Region, want: Region) -> Tensor:
        """The part with noise."""
        shape = (1 if self.gray else 3, *want.size)
        noise = standard_normal(shape, self.generator)
        return add_noise(image, noise, self.sigma / 255)


@dataclass(frozen=True)
class PoissonNoise:
    r"""Shot noise, whose variance grows with the intensity, clamped to [0, 1].

    .. math:: y = x + s \left( \frac{\mathrm{Poisson}(v x)}{v} - x \right)

    where v, the intensity in counts, is the number of distinct 8-bit values in the image rounded
    up to a power of two. It is counted in the part of the frame that is computed and in the
    thumbnail. Gray noise is the noise of the gray image, added to all channels.

    Args:
        scale: the factor s.
        gray: the same noise in all channels.
        generator: where the noise comes from.
        thumbnail: (3, h, w) in [0, 1], the whole frame in small; none needed where a whole frame is
            computed.
    """

    scale: float
    gray: bool
    generator: Generator
    thumbnail: Tensor | None = None

    def before(self, region: Region) -> Region:
        """The same."""
        return region

    def __call__(self, image: Tensor, have: Region, want: Region) -> Tensor:
        """The part with noise."""
        seen = np.zeros(256, np.bool_)
        levels = levels_of(image, self.gray, seen)
        if self.thumbnail is not None:
            levels_of(self.thumbnail, self.gray, seen)
        noise = shot_noise(levels, level_counts(int(seen.sum())), self.generator)
        return add_noise(image, noise, self.scale)


@dataclass(frozen=True)
class Jpeg:
    """JPEG whose grid of blocks starts at the frame's corner, see ``jpeg.jpeg``."""

    quality: float
    method: JpegMethod
    size: Size

    def before(self, region: Region) -> Region:
        """Whole blocks, with those that chroma is interpolated from."""
        return region.mapped(
            lambda rows: self._blocks(rows, self.size[0]),
            lambda columns: self._blocks(columns, self.size[1]),
        )

    def __call__(self, image: Tensor, have: Region, want: Region) -> Tensor:
        """The compressed part."""
        if self.method in ("released", "simulated"):
            quality = torch.tensor([self.quality])
            return want.cut(jpeg(image[None], quality, self.method)[0], have)
        result = torch.empty(3, *want.size)
        top, left = want.rows[0] - have.rows[0], want.columns[0] - have.columns[0]
        code_part(image.contiguous().numpy(), self.quality, result.numpy(), top, left)
        return result

    @staticmethod
    def _blocks(span: Span, length: int) -> Span:
        low, high = max(0, span[0] - 1) // _MCU * _MCU, -(-(span[1] + 1) // _MCU) * _MCU
        return low, min(high, length)
