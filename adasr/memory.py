"""Main memory: how much can still be had, and what becomes of what was freed."""

from __future__ import annotations

import ctypes
import os
import platform
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath

CONTAINER = Path("/sys/fs/cgroup")
MEMBERSHIP = Path("/proc/self/cgroup")
_UNKNOWN = 2 * 2**30  # where the system does not say

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h
_MOST = 2**31 - 1
_kept = 0


def free_memory() -> int:
    """Bytes that this process can still have: of the machine, or of its container or job."""
    return min(_system_bytes(), _container_bytes())


def keep_freed_memory(most: int = _MOST) -> bool:
    """Let glibc keep what large tensors leave behind for the next ones.

    By itself it gives large blocks back to the system at once and asks for them again in the next
    step, page by page: a quarter of the time of SRResNet. It is set for the whole process; what was
    granted before is never taken back.

    Args:
        most: bytes that are kept.

    Returns:
        Whether there is a glibc to tell.
    """
    global _kept
    if platform.libc_ver()[0] != "glibc":
        return False
    most = min(max(most, _kept), _MOST)
    mallopt = ctypes.CDLL(None).mallopt
    if not (mallopt(_M_MMAP_THRESHOLD, most) and mallopt(_M_TRIM_THRESHOLD, most)):
        return False
    _kept = most
    return True


def _system_bytes() -> int:
    with suppress(OSError, ValueError, StopIteration):
        lines = Path("/proc/meminfo").read_text().splitlines()
        line = next(line for line in lines if line.startswith("MemAvailable:"))
        return int(line.split()[1]) * 1024
    with suppress(AttributeError, OSError, ValueError):  # macOS tells the whole, not what is free
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    return _UNKNOWN


def _container_bytes() -> int:
    """What the tightest limit leaves of those set on this process's group and the ones above it."""
    free = 2**62
    for folder, limit, used in _groups():
        with suppress(OSError, ValueError):
            left = int((folder / limit).read_text()) - int((folder / used).read_text())
            free = min(free, max(0, left + _reclaimable(folder)))
    return free


def _groups() -> Iterator[tuple[Path, str, str]]:
    """Folder, file of the limit and file of the use, of cgroups of version 2 and of version 1.

    In a container the group is the root. A job of Slurm or of systemd sees the whole machine's, and
    its own is further down.
    """
    lines: list[str] = []
    with suppress(OSError):
        lines = MEMBERSHIP.read_text().splitlines()
    for root, controller, limit, used in (
        (CONTAINER, "", "memory.max", "memory.current"),
        (CONTAINER / "memory", "memory", "memory.limit_in_bytes", "memory.usage_in_bytes"),
    ):
        yield root, limit, used
        for line in lines:
            _, controllers, path = (*line.split(":", 2), "", "")[:3]
            if controller in controllers.split(",") and ".." not in path:
                own = PurePosixPath(path.strip("/"))
                yield from ((root / group, limit, used) for group in (own, *own.parents[:-1]))


def _reclaimable(folder: Path) -> int:
    """File pages that count as used and are given back as soon as somebody wants the memory."""
    with suppress(OSError, ValueError, StopIteration):
        lines = (folder / "memory.stat").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("inactive_file ")).split()[1])
    return 0
