"""Memory of this process, its children and a work alone."""

from __future__ import annotations

import multiprocessing
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

MIB = 2**20


def peak_mib() -> float:
    """Highest resident memory of this process so far.

    Not ``ru_maxrss`` on Linux: a new process begins with that of the one it was started by.
    """
    status = Path("/proc/self/status")
    if status.is_file():
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return int(lines["VmHWM"].split()[0]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def held_mib(process: psutil.Process) -> dict[str, float]:
    """MiB of a process: its own, what it shares, and all of what is resident."""
    found = process.memory_full_info()
    return {"own": found.uss / MIB, "pss": found.pss / MIB, "resident": found.rss / MIB}


def family_mib() -> dict[str, Any]:
    """``held_mib`` of this process and of each child; ``total`` counts shared pages once."""
    here = psutil.Process()
    parts = [held_mib(here), *(held_mib(child) for child in here.children(recursive=True))]
    return {"main": parts[0], "workers": parts[1:], "total": sum(p["pss"] for p in parts)}


def apart(work: Callable[..., Any], *args: Any) -> dict[str, Any]:
    """``work(*args)`` in a fresh process: what it returns, and MiB it took beyond the start.

    ``peak_mib`` is the highest point (``resident_mib`` with the start), ``kept_mib`` what is still
    held when it returns.
    """
    context = multiprocessing.get_context("spawn")
    receive, send = context.Pipe(duplex=False)
    process = context.Process(target=_report, args=(send, work, args))
    process.start()
    send.close()
    try:
        return receive.recv()
    finally:
        process.join()


def _report(send: Any, work: Callable[..., Any], args: tuple[Any, ...]) -> None:
    before = psutil.Process().memory_info().rss
    result = work(*args)
    peak = peak_mib() * MIB
    kept = psutil.Process().memory_info().rss - before
    seconds, count = result[0], len(result[1])
    send.send(
        {
            "seconds": seconds,
            "count": count,
            "peak_mib": max(0, peak - before) / MIB,
            "resident_mib": peak / MIB,
            "kept_mib": kept / MIB,
        }
    )
