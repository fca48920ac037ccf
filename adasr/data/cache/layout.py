"""Where the pixels of many images lie in one buffer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

import numpy as np

from ...errors import FileError
from ...pixels import to_eight_bit
from ..checking import Progress, map_files
from ..images import image_area
from ..path_list import PathList

CHANNELS = 3
_LINE = 64  # bytes; an image begins at a multiple
_PART = 4096  # images given to the threads at a time: a million waiting jobs would take gigabytes

R = TypeVar("R")


def slots(files: PathList) -> np.ndarray:
    """Where each image's bytes begin, and where the last one's end, (N + 1,) int64.

    From the headers alone. A file without a readable one gets no bytes.
    """

    def length(index: int) -> int:
        try:
            return -(-image_area(files[index]) * CHANNELS // _LINE) * _LINE
        except FileError:
            return 0

    begins = np.zeros(len(files) + 1, np.int64)
    for index, value in enumerate(for_each(length, len(files))):
        begins[index + 1] = value
    return np.cumsum(begins)


def for_each(
    function: Callable[[int], R], count: int, on_done: Progress | None = None
) -> Iterator[R]:
    """``function`` of every index below ``count`` on threads, in order."""
    for first in range(0, count, _PART):

        def tell(done: int, _: int, first: int = first) -> None:
            if on_done is not None:
                on_done(first + done, count)

        yield from map_files(function, list(range(first, min(first + _PART, count))), tell)


def storable(image: np.ndarray, eight_bit: bool, room: int) -> tuple[np.ndarray, bool]:
    """The image as the training set wants it, and whether a slot of ``room`` bytes can hold it.

    Args:
        image: (H, W, 3), of any depth.
        eight_bit: whether 8 bits are all that is wanted of a deeper one.
        room: bytes.
    """
    image = to_eight_bit(image) if eight_bit else image
    return image, image.dtype == np.uint8 and image.nbytes <= room


def gib(number: float) -> str:
    """Bytes for a person."""
    return f"{number / 2**30:.3g} GiB" if number >= 2**30 else f"{number / 2**20:.3g} MiB"
