"""What is done to each image of a folder: read, enlarge, write."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ...data.headers import DEFAULT_MAX_PIXELS
from ...data.images import image_shape
from ...data.metadata import Metadata
from ...data.pictures import read_picture, write_picture
from ...data.rows import open_rows, open_sink
from ...memory import free_memory
from ..upscaler import Upscaler
from .formats import holding_suffix
from .pipeline import OnTile
from .plan import Job

# Of a batch. On a CPU the features of more do not fit in its caches.
_BATCH_PIXELS = {"cpu": 128 * 128}
_OTHER_BATCH_PIXELS = 256 * 256
_MOST_IN_BATCH = 32
# An image and its result in memory at once take up to twice their size while they are encoded.
_HUGE_SHARE = 4
_EIGHT_BIT = (".jpg", ".jpeg", ".webp", ".bmp", ".gif")


@dataclass(frozen=True)
class Picture:
    """An image in memory: (H, W, C), uint8, uint16 or float32, and what its file says beside."""

    pixels: np.ndarray
    metadata: Metadata


@dataclass(frozen=True)
class Huge:
    """An image that is read, enlarged and written row by row."""


@dataclass(frozen=True)
class Written:
    """A result that has its file already."""

    path: Path


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
        path = self.place(job, result.pixels.shape, result.pixels.dtype)
        write_picture(path, result.pixels, result.metadata, self.quality)
        return path

    def place(self, job: Job, shape: tuple[int, ...], dtype: Any) -> Path:
        """The file for a result of this kind."""
        return job.place(holding_suffix(job.output, shape, dtype))


class Enlarge:
    """Each image through the network.

    Args:
        upscaler: the network.
        files: how files are read and written.
    """

    def __init__(self, upscaler: Upscaler, files: Files) -> None:
        self.upscaler, self.files, self.is_done = upscaler, files, files.is_done
        self._most_bytes = free_memory() // _HUGE_SHARE
        self._batch_pixels = _BATCH_PIXELS.get(upscaler.device.type, _OTHER_BATCH_PIXELS)

    def size(self, job: Job) -> int:
        """Bytes of the image and of its result."""
        return round(self.files.bytes(job) * (1 + self.upscaler.upscale**2))

    def read(self, job: Job) -> Picture | Huge:
        """The image, unless it and its result would take too much of the memory."""
        if self.size(job) > self._most_bytes:
            return Huge()
        return self.files.read(job)

    def kind(self, content: Picture | Huge) -> tuple[Hashable, int]:
        """Small images of one shape and depth go through the network together."""
        if isinstance(content, Huge):
            return None, 1
        pixels = content.pixels
        most = min(_MOST_IN_BATCH, self._batch_pixels // (pixels.shape[0] * pixels.shape[1]))
        return (pixels.shape, pixels.dtype), max(1, most)

    def compute(
        self, jobs: Sequence[Job], contents: Sequence[Picture | Huge], on_tile: OnTile
    ) -> list[Picture | Written]:
        """The enlarged images."""
        first = contents[0]
        if isinstance(first, Huge):
            return [self._stream(jobs[0], on_tile)]
        if len(contents) == 1:
            return [replace(first, pixels=self.upscaler(first.pixels, on_tile))]
        pictures = [content for content in contents if isinstance(content, Picture)]
        results = self.upscaler.batch([picture.pixels for picture in pictures])
        return [replace(p, pixels=r) for p, r in zip(pictures, results, strict=True)]

    def write(self, job: Job, result: Picture | Written) -> Path:
        """The file, in the format that was asked for where that holds the result."""
        return result.path if isinstance(result, Written) else self.files.write(job, result)

    def _stream(self, job: Job, on_tile: OnTile) -> Written:
        """Read, enlarge and write band by band; the memory that takes does not grow with height."""
        with open_rows(job.source, self.files.max_pixels) as source:
            shape = self.upscaler.output_shape(source.shape)
            path = self.files.place(job, shape, source.dtype)
            metadata = Metadata() if self.files.strip_metadata else source.metadata
            with open_sink(path, shape, source.dtype, metadata, self.files.quality) as sink:
                self.upscaler.stream(source, sink, on_tile)
        return Written(path)


def is_written(path: Path) -> bool:
    """Whether there is such a file, with something in it."""
    try:
        return path.stat().st_size > 0  # a machine that lost its power may leave empty files
    except OSError:
        return False
