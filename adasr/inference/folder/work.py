"""What is done to each image of a folder: read, enlarge, write."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ...data.headers import DEFAULT_MAX_PIXELS
from ...data.images import image_shape
from ...data.metadata import Metadata
from ...data.pictures import read_picture, write_picture
from ..upscaler import Upscaler
from .formats import holding_suffix
from .pipeline import OnTile
from .plan import Job

_BATCH_PIXELS = 256 * 256
_MOST_IN_BATCH = 32
_EIGHT_BIT = (".jpg", ".jpeg", ".webp", ".bmp", ".gif")


@dataclass(frozen=True)
class Picture:
    """An image in memory: (H, W, C), uint8, uint16 or float32, and what its file says beside."""

    pixels: np.ndarray
    metadata: Metadata


@dataclass(frozen=True)
class Files:
    """How files are read and written.

    Attributes:
        skip_existing: leave images alone whose result is there.
        max_pixels: of an image; more are refused. None takes any size.
        strip_metadata: write the pixels alone.
        quality: 1 to 100 of formats that have one; None is their default.
    """

    skip_existing: bool = False
    max_pixels: int | None = DEFAULT_MAX_PIXELS
    strip_metadata: bool = False
    quality: int | None = None

    def is_done(self, job: Job) -> bool:
        """Whether the result is there, perhaps in a format that holds it better."""
        return self.skip_existing and any(is_written(place) for place in job.places())

    def bytes(self, job: Job) -> int:
        """What the image takes in memory, from the header alone; as 16-bit where it may be that.

        Raises:
            ImageReadError: no image, or more than ``max_pixels``.
        """
        height, width, channels = image_shape(job.source, self.max_pixels)
        return height * width * channels * (1 if job.source.suffix.lower() in _EIGHT_BIT else 2)

    def read(self, job: Job) -> Picture:
        """The image.

        Raises:
            ImageReadError: it cannot be used.
        """
        pixels, metadata = read_picture(job.source, self.max_pixels)
        return Picture(pixels, Metadata() if self.strip_metadata else metadata)

    def write(self, job: Job, result: Picture) -> Path:
        """Write in the format that was asked for, or one that holds the image; the file.

        Raises:
            ImageWriteError: it cannot be written.
        """
        path = job.place(holding_suffix(job.output, result.pixels.shape, result.pixels.dtype))
        write_picture(path, result.pixels, result.metadata, self.quality)
        return path


class Enlarge:
    """Each image through the network.

    Args:
        upscaler: the network.
        files: how files are read and written.
    """

    def __init__(self, upscaler: Upscaler, files: Files) -> None:
        self.upscaler, self.files = upscaler, files
        self.is_done, self.read, self.write = files.is_done, files.read, files.write

    def size(self, job: Job) -> int:
        """Bytes of the image and of its result."""
        return round(self.files.bytes(job) * (1 + self.upscaler.upscale**2))

    def kind(self, content: Picture) -> tuple[Hashable, int]:
        """Small images of one shape and depth go through the network together."""
        pixels = content.pixels
        most = min(_MOST_IN_BATCH, _BATCH_PIXELS // (pixels.shape[0] * pixels.shape[1]))
        return (pixels.shape, pixels.dtype), max(1, most)

    def compute(
        self, jobs: Sequence[Job], contents: Sequence[Picture], on_tile: OnTile
    ) -> list[Picture]:
        """The enlarged images."""
        results = [self.upscaler(content.pixels, on_tile) for content in contents]
        return [
            replace(content, pixels=result)
            for content, result in zip(contents, results, strict=True)
        ]


def is_written(path: Path) -> bool:
    """Whether there is such a file, with something in it."""
    try:
        return path.stat().st_size > 0  # a machine that lost its power may leave empty files
    except OSError:
        return False
