"""What is done to each image of a folder: read, enlarge, write."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from pathlib import Path

import numpy as np

from ...data.images import image_shape, read_image, write_image
from ..upscaler import Upscaler
from .formats import holding_suffix
from .pipeline import OnTile
from .plan import Job

_BATCH_PIXELS = 256 * 256
_MOST_IN_BATCH = 32


class Enlarge:
    """Each image through the network.

    Args:
        upscaler: the network.
        skip_existing: leave images alone whose result is there.
    """

    def __init__(self, upscaler: Upscaler, skip_existing: bool = False) -> None:
        self.upscaler, self.skip_existing = upscaler, skip_existing

    def is_done(self, job: Job) -> bool:
        """Whether the result is there, perhaps in a format that holds it better."""
        return self.skip_existing and any(_is_written(place) for place in job.places())

    def size(self, job: Job) -> int:
        """Bytes of the image and of its result, of 8 bits where the file may be of that."""
        height, width, channels = image_shape(job.source)
        depth = 1 if job.source.suffix.lower() in (".jpg", ".jpeg", ".webp", ".bmp") else 2
        return round(height * width * channels * depth * (1 + self.upscaler.upscale**2))

    def read(self, job: Job) -> np.ndarray:
        """The pixels."""
        return read_image(job.source)

    def kind(self, content: np.ndarray) -> tuple[Hashable, int]:
        """Small images of one shape and depth go through the network together."""
        height, width = content.shape[:2]
        most = min(_MOST_IN_BATCH, _BATCH_PIXELS // (height * width))
        return (content.shape, content.dtype), max(1, most)

    def compute(
        self, jobs: Sequence[Job], contents: Sequence[np.ndarray], on_tile: OnTile
    ) -> list[np.ndarray]:
        """The enlarged images."""
        return [self.upscaler(content, on_tile) for content in contents]

    def write(self, job: Job, result: np.ndarray) -> Path:
        """The file, in the format that was asked for where that holds it."""
        path = job.place(holding_suffix(result.shape, result.dtype, job.output.suffix))
        write_image(path, result)
        return path


def _is_written(path: Path) -> bool:
    try:
        return path.stat().st_size > 0  # a machine that lost its power may leave empty files
    except OSError:
        return False
