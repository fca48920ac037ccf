"""When, with what and on what a benchmark was run."""

from __future__ import annotations

import datetime
import functools
import importlib.metadata
import platform
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from ...version import __version__

_PACKAGES = (
    "torch",
    "numpy",
    "opencv-python",
    "pillow",
    "scikit-image",
    "lpips",
    "basicsr",
    "pyiqa",
    "spandrel",
)


@functools.cache
def versions() -> dict[str, str]:
    """The versions of what scores depend on; what is not installed is left out."""
    found = {"adasr": __version__, "python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def device_name(device: torch.device) -> str:
    """What a person calls the device."""
    if device.type == "cuda":
        return f"{torch.cuda.get_device_name(device)} ({device})"
    if device.type == "cpu":
        return f"{_processor()}, {torch.get_num_threads()} threads"
    return str(device)


def about_run(
    *,
    command: str,
    device: torch.device,
    precision: str,
    seconds: float,
    complete: bool,
    taken_over: int,
    missing: Mapping[str, str],
    presumed: Sequence[str],
) -> dict[str, Any]:
    """``Results.about``, ready for JSON."""
    return {
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "command": command,
        "seconds": round(seconds, 1),
        "device": device_name(device),
        "precision": precision,
        "images": "whole, 8-bit RGB in, scores of 8-bit results",
        "complete": complete,
        "taken over": taken_over,
        "unavailable": dict(missing),
        "presumed of trainings that do not say": list(presumed),
        "versions": versions(),
    }


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:  # noqa: PTH123  not a file on a disk
            names = [line.partition(":")[2].strip() for line in file if "model name" in line]
    except OSError:
        names = []
    return names[0] if names else platform.processor() or platform.machine()
