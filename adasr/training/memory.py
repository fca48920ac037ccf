"""How much memory a training takes, told without slowing it down."""

from __future__ import annotations

import multiprocessing
import sys
import time
from contextlib import suppress

import psutil
import torch

_MIB = 2**20
_MOST = 2e-3  # share of the time that looking may take


class MemoryMeter:
    """Reads the memory of this process, its loader workers and its device.

    Counting shared pages once takes the system up to a tenth of a second for a large process, so
    the host's figure is read anew only when that costs less than two thousandths of the time.

    Args:
        device: where the network is.
    """

    def __init__(self, device: torch.device | str = "cpu") -> None:
        self.device = torch.device(device)
        self._host = 0.0
        self._next = -1.0

    def read(self) -> dict[str, float]:
        """``memory_mib``, and ``device_memory_mib`` where the device has memory of its own."""
        begin = time.monotonic()
        if begin >= self._next:
            self._host = host_memory_mib()
            now = time.monotonic()
            self._next = now + (now - begin) / _MOST
        device = device_memory_mib(self.device)
        values = {"memory_mib": round(self._host, 1)}
        return values if device is None else values | {"device_memory_mib": round(device, 1)}


def host_memory_mib() -> float:
    """MiB of main memory that this process and its loader workers hold now.

    On Linux a page that several of them share counts once; elsewhere it counts for each.
    """
    # Not psutil's children(): that looks at every process of the machine.
    workers = [child.pid for child in multiprocessing.active_children()]
    return sum(_bytes(pid) for pid in (None, *workers)) / _MIB


def device_memory_mib(device: torch.device) -> float | None:
    """MiB that this process took of ``device`` at most so far; None where that is not told.

    It holds what the allocator keeps in reserve: what must fit, and what a smaller GPU would need.
    """
    if device.type == "mps":
        return torch.mps.driver_allocated_memory() / _MIB
    peak = getattr(getattr(torch, device.type, None), "max_memory_reserved", None)
    return None if peak is None else peak(device) / _MIB


def _bytes(pid: int | None) -> int:
    with suppress(psutil.Error):  # a worker that has just ended
        process = psutil.Process(pid)
        if sys.platform == "linux":
            with suppress(psutil.Error, AttributeError):  # a system that does not tell
                return process.memory_full_info().pss
        return process.memory_info().rss
    return 0
