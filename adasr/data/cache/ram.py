"""Decoded images in memory."""

from __future__ import annotations

import os
from collections.abc import Callable

import numpy as np

from ...errors import DatasetError
from ...memory import free_memory
from ..checking import Progress, Told
from ..listing import Problem
from ..path_list import PathList
from .layout import CHANNELS, gib, slots, storable
from .shared_memory import SharedMemory

_KEPT_FREE = 0.1  # of the memory that is free now, for everything else


class RamCache:
    """Keeps every image that it has decoded in memory that all worker processes share.

    ``open`` it before the workers start, or each would have a memory of its own.

    Args:
        files: image files.
        decode: gives an image of ``files`` at its own depth.
        eight_bit: whether 8 bits of a deeper image are all that is wanted; else deeper images are
            decoded every time.
    """

    fault: Problem | None = None

    def __init__(
        self, files: PathList, decode: Callable[[int], np.ndarray], eight_bit: bool
    ) -> None:
        self.files, self.decode, self.eight_bit = files, decode, eight_bit
        self._memory: SharedMemory | None = None
        self._begins = np.zeros(1, np.int64)

    def open(self, on_done: Progress | None = None, tell: Told | None = None) -> None:
        """Set the memory aside.

        Raises:
            DatasetError: the images would not fit.
        """
        if self._memory is not None:
            return
        self._begins = slots(self.files)
        size = int(self._begins[-1]) + len(self.files) * 9
        # The processes of one machine have a copy each.
        free = free_memory() // int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
        if size > free * (1 - _KEPT_FREE):
            raise DatasetError(
                self.files.roots[0],
                f"takes {gib(size)} of memory decoded (cache: ram), and {gib(free)} are free",
                "Use cache: disk, or cache: none.",
            )
        try:
            self._memory = SharedMemory(max(size, 1))
        except OSError as error:
            problem = f"cannot be kept in memory ({error.strerror or error})"
            raise DatasetError(self.files.roots[0], problem, "Use cache: disk.") from None
        if tell is not None:
            tell(f"cache: up to {gib(size)} of memory for {len(self.files)} decoded images")

    def __call__(self, index: int) -> np.ndarray:
        """The pixels of an image, (H, W, 3); a view where they are 8 bits."""
        self.open()
        assert self._memory is not None
        memory, count = self._memory.array, len(self.files)
        # At the end of the memory: a byte per image that says it is there, before it the sizes.
        there = memory[len(memory) - count :]
        sizes = memory[len(memory) - 9 * count : len(memory) - count].view(np.int32)
        begin, end = int(self._begins[index]), int(self._begins[index + 1])
        if there[index]:
            height, width = map(int, sizes[2 * index : 2 * index + 2])
            return memory[begin : begin + height * width * CHANNELS].reshape(height, width, -1)
        image, fits = storable(self.decode(index), self.eight_bit, end - begin)
        if fits:
            memory[begin : begin + image.nbytes] = image.reshape(-1)
            sizes[2 * index : 2 * index + 2] = image.shape[:2]
            there[index] = 1  # last: another process may look at any moment
        return image
