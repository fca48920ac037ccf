"""JPEG compression."""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from ...registry import STEP_REGISTRY
from .. import families
from ..checks import check_range
from ..kernels import Pair
from ..operators import Jpeg
from ..recording import note
from ..regions import Region
from .step import Sample, Step

_BLOCK = 8


@STEP_REGISTRY.register()
class JPEG(Step):
    """JPEG compression.

    Args:
        jpeg_range: range of the quality; whole numbers are drawn from it.
        shift: start the grid of blocks at a random place of the first block, as in an image that
            was cropped after an earlier compression (Jiang et al., ICCV 2021).
        prob: probability of the step.
    """

    def __init__(
        self, jpeg_range: Pair = (30.0, 95.0), shift: bool = False, prob: float = 1.0
    ) -> None:
        super().__init__(prob)
        self.jpeg_range, self.shift = check_range("jpeg_range", jpeg_range, 1, 100), shift

    def draw(self, sample: Sample) -> None:
        """Compress with a drawn quality."""
        quality = round(sample.uniform(*self.jpeg_range))
        top, left = (int(sample.uniform(0, _BLOCK)) if self.shift else 0 for _ in range(2))
        told = {"grid": f"-{top}, -{left}"} if self.shift else {}
        note("JPEG", quality=quality, **told)
        height, width = sample.size
        codec = Jpeg(float(quality), sample.jpeg_method, (height + top, width + left))
        sample.add(ShiftedJpeg(codec, top, left) if top or left else codec)

    @property
    def families(self) -> tuple[str, ...]:
        """JPEG."""
        return (families.JPEG,)


@dataclass(frozen=True)
class ShiftedJpeg:
    """JPEG of the frame with some copies of its first rows and columns before it.

    Args:
        codec: for the frame with them.
        top: number of rows.
        left: number of columns.
    """

    codec: Jpeg
    top: int
    left: int

    def before(self, region: Region) -> Region:
        """Whole blocks, as far as they lie in the frame."""
        return self._moved(self._padded(region), -1)

    def __call__(self, image: Tensor, have: Region, want: Region) -> Tensor:
        """The compressed part."""
        padded = self._padded(want)
        inside = self._moved(padded, -1)
        above = inside.rows[0] + self.top - padded.rows[0]
        beside = inside.columns[0] + self.left - padded.columns[0]
        image = inside.cut(image, have)[None]
        image = F.pad(image, (beside, 0, above, 0), mode="replicate")[0]
        return self.codec(image, padded, self._moved(want, 1))

    def _padded(self, region: Region) -> Region:
        """What the codec needs, counted from the copies."""
        return self.codec.before(self._moved(region, 1))

    def _moved(self, region: Region, way: int) -> Region:
        top, left = way * self.top, way * self.left
        return region.mapped(
            lambda rows: (max(0, rows[0] + top), rows[1] + top),
            lambda columns: (max(0, columns[0] + left), columns[1] + left),
        )
