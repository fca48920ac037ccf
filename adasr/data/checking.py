"""Decoding many files to find the bad ones beforehand."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from ..errors import FileError
from .images import read_image
from .listing import Problem

Progress = Callable[[int, int], None]  # (files done, files in all)
Told = Callable[[str], None]  # takes a line for a person
T = TypeVar("T")
R = TypeVar("R")


def check_files(
    paths: Iterable[str | Path], on_done: Progress | None = None, workers: int | None = None
) -> list[Problem]:
    """(path, problem) of every file that cannot be decoded, in the order given.

    Args:
        paths: image files.
        on_done: called with (files done, files in all) after each.
        workers: threads; none: one per processor.
    """
    return [p for p in map_files(_problem, [Path(p) for p in paths], on_done, workers) if p]


def map_files(
    function: Callable[[T], R],
    items: list[T],
    on_done: Progress | None = None,
    workers: int | None = None,
) -> Iterator[R]:
    """``map`` on threads (decoders and encoders release Python's lock), in order, with progress.

    An error or Ctrl-C drops what has not begun.
    """
    pool = ThreadPoolExecutor(workers or os.cpu_count() or 1)
    try:
        for done, result in enumerate(pool.map(function, items), 1):
            if on_done is not None:
                on_done(done, len(items))
            yield result
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _problem(path: Path) -> Problem | None:
    try:
        read_image(path)
    except FileError as error:
        return str(error.path), error.problem
    return None
