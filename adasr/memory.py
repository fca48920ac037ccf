"""How much main memory can still be had."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

CONTAINER = Path("/sys/fs/cgroup")
_UNKNOWN = 2 * 2**30  # where the system does not say


def free_memory() -> int:
    """Bytes that this process can still have: of the machine, or of its container if less."""
    return min(_system_bytes(), _container_bytes())


def _system_bytes() -> int:
    with suppress(OSError, ValueError, StopIteration):
        lines = Path("/proc/meminfo").read_text().splitlines()
        line = next(line for line in lines if line.startswith("MemAvailable:"))
        return int(line.split()[1]) * 1024
    with suppress(AttributeError, OSError, ValueError):  # macOS tells the whole, not what is free
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    return _UNKNOWN


def _container_bytes() -> int:
    """What the container's limit leaves (cgroup version 2, then 1)."""
    root = CONTAINER
    for folder, limit, used in (
        (root, "memory.max", "memory.current"),
        (root / "memory", "memory.limit_in_bytes", "memory.usage_in_bytes"),
    ):
        with suppress(OSError, ValueError):
            free = int((folder / limit).read_text()) - int((folder / used).read_text())
            return max(0, free + _reclaimable(folder))
    return 2**62


def _reclaimable(folder: Path) -> int:
    """File pages that count as used and are given back as soon as somebody wants the memory."""
    with suppress(OSError, ValueError, StopIteration):
        lines = (folder / "memory.stat").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("inactive_file ")).split()[1])
    return 0
