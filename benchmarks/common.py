"""What every benchmark does alike: arguments, alternating medians, the report."""

from __future__ import annotations

import argparse
import ctypes
import json
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import torch

import adasr


def parser(doc: str | None) -> argparse.ArgumentParser:
    """Arguments of every benchmark."""
    made = argparse.ArgumentParser(description=doc)
    made.add_argument("--json", action="store_true", help="end with one line of JSON")
    made.add_argument("--rounds", type=int, default=11, help="timed rounds; the median counts")
    made.add_argument("--threads", type=int, default=torch.get_num_threads())
    made.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    return made


def alternate(
    works: Mapping[str, Callable[[], object]], rounds: int, device: str, warm_up: int = 2
) -> dict[str, float]:
    """Median seconds of each work, all of them once in every round."""
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for number in range(rounds + warm_up):
        for name, work in works.items():
            begin = time.perf_counter()
            work()
            if device.startswith("cuda"):
                torch.cuda.synchronize()
            if number >= warm_up:
                seconds[name].append(time.perf_counter() - begin)
    return {name: statistics.median(found) for name, found in seconds.items()}


def release_freed_memory() -> None:
    """The state in which glibc is by itself after a block of 32 MiB has been freed."""
    if platform.libc_ver()[0] == "glibc":
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(-3, 32 << 20)  # M_MMAP_THRESHOLD
        mallopt(-1, 64 << 20)  # M_TRIM_THRESHOLD


def report(
    medians: Mapping[str, float],
    ratio: float,
    goal: float,
    args: argparse.Namespace,
    **more: object,
) -> None:
    """A line for each median, the ratio, and the JSON line with ``more`` where it is asked for."""
    for name, value in medians.items():
        print(f"{name:32s} {value * 1e3:9.2f} ms")
    print(f"{'ratio':32s} {ratio:9.3f} (goal {goal})")
    if args.json:
        result = {
            "ratio": ratio,
            "goal": goal,
            **more,
            "medians_s": dict(medians),
            "rounds": args.rounds,
            "threads": torch.get_num_threads(),
            "device": torch.cuda.get_device_name() if args.device == "cuda" else _cpu(),
            "versions": {
                "adasr": adasr.__version__,
                "torch": torch.__version__,
                "python": platform.python_version(),
            },
        }
        print(json.dumps(result))


def _cpu() -> str:
    try:
        with Path("/proc/cpuinfo").open() as file:
            return next(line.partition(":")[2].strip() for line in file if "model name" in line)
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
