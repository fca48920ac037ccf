"""Each image through the network many times: the mean, and a picture of where it guesses."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from ...data.metadata import Metadata
from ...data.pictures import write_picture
from ...errors import ImageReadError
from ...memory import free_memory
from ..uncertainty import UncertaintyUpscaler
from .pipeline import OnTile
from .plan import Job
from .work import Files, Picture, is_written

_DESCRIPTION_TAG = 270
_WHITE_PERCENTILE = 99.5  # a few pixels shall not make all others black
_LEAST_WHITE = 1 / 255  # below that there is nothing to see


@dataclass(frozen=True)
class Mapped:
    """An enlarged image and its deviation: (H, W) float32, a share of the full range."""

    picture: Picture
    deviation: np.ndarray


class EnlargeWithMap:
    """As ``Enlarge``, with a map of uncertainty beside each result.

    Args:
        upscaler: gives an image and its deviation.
        files: how files are read and written.
    """

    def __init__(self, upscaler: UncertaintyUpscaler, files: Files) -> None:
        self.upscaler, self.files = upscaler, files

    def is_done(self, job: Job) -> bool:
        """Whether result and map are there."""
        return self.files.is_done(job) and is_written(job.map)

    def size(self, job: Job) -> int:
        """Bytes of the image, of its result and of the statistics in float32."""
        return round(self.files.bytes(job) * (1 + 16 * self.upscaler.upscale**2))

    def read(self, job: Job) -> Picture:
        """The image; memory must hold it."""
        if self.size(job) > free_memory() // 2:
            problem = f"is too large for a map of uncertainty ({self.size(job) >> 20} MiB)"
            raise ImageReadError(job.source, problem, "Cut it into parts first.")
        return self.files.read(job)

    def kind(self, content: Picture) -> tuple[Hashable, int]:
        """Each image by itself."""
        return None, 1

    def compute(
        self, jobs: Sequence[Job], contents: Sequence[Picture], on_tile: OnTile
    ) -> list[Mapped]:
        """Mean and deviation."""
        found = []
        for content in contents:
            mean, deviation = self.upscaler(content.pixels, on_tile)
            found.append(Mapped(replace(content, pixels=mean), deviation))
        return found

    def write(self, job: Job, result: Mapped) -> Path:
        """The map first: a result that is there has its map."""
        write_map(job.map, result.deviation, self.upscaler.passes)
        return self.files.write(job, result.picture)


def write_map(path: Path, deviation: np.ndarray, passes: int) -> None:
    """A gray picture, brighter where the network guesses; its description says what white is.

    Args:
        path: a .png file.
        deviation: (H, W), standard deviation as a share of the full range.
        passes: how many results it is of.

    Raises:
        ImageWriteError: it cannot be written.
    """
    white = max(_LEAST_WHITE, float(np.percentile(deviation, _WHITE_PERCENTILE)))
    gray = (deviation * (255 / white)).clip(0, 255).round().astype(np.uint8)
    exif = Image.Exif()
    exif[_DESCRIPTION_TAG] = (
        f"Standard deviation of {passes} passes: white is {white:.5f} of the full range "
        f"({white * 255:.2f} of 255), the mean {float(deviation.mean()):.5f}."
    )
    write_picture(path, gray[..., None], Metadata(exif=exif.tobytes().removeprefix(b"Exif\0\0")))
