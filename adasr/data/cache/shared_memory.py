"""Memory that worker processes share, however they are started."""

from __future__ import annotations

import mmap
import os
import tempfile
import weakref
from multiprocessing import reduction
from typing import Any

import numpy as np

from ...errors import UnavailableError


class SharedMemory:
    """Bytes that are zero at first; a page takes memory from the first time it is written.

    Forked processes see the same bytes, and so do spawned ones that are given the object. They
    belong to no name, so nothing is left behind whatever ends the processes, and a small /dev/shm,
    as containers have it, is no limit.

    Args:
        size: in bytes.

    Raises:
        UnavailableError: on Windows.
        OSError: the system refuses.

    Attributes:
        array: (size,) uint8.
    """

    def __init__(self, size: int) -> None:
        if os.name == "nt":
            raise UnavailableError("cache: ram needs Linux or macOS. Use cache: disk.")
        descriptor = _nameless_file()
        try:
            os.ftruncate(descriptor, size)
            self._take(descriptor, size)
        except BaseException:
            os.close(descriptor)
            raise

    def _take(self, descriptor: int, size: int) -> None:
        self.array = np.frombuffer(mmap.mmap(descriptor, size), np.uint8)
        self._descriptor, self._size = descriptor, size
        weakref.finalize(self, os.close, descriptor)

    def __getstate__(self) -> dict[str, Any]:
        return {"descriptor": reduction.DupFd(self._descriptor), "size": self._size}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._take(state["descriptor"].detach(), state["size"])


def _nameless_file() -> int:
    if hasattr(os, "memfd_create"):
        return os.memfd_create("adasr-cache")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())
