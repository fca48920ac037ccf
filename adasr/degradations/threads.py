"""Samples of a batch in threads."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import torch


def for_each(count: int, work: Callable[[int], None]) -> None:
    """Call ``work`` with 0, 1, ... in as many threads as torch has here.

    OpenCV, NumPy and torch let go of the interpreter while they compute. Inside, torch has a single
    thread: many small operations gain nothing from more, and each would wait for threads that are
    busy with other samples. Threads live as long as the call, so that a process that forks
    afterwards has nothing to inherit.
    """
    with one_thread() as threads:
        threads = min(threads, count)
        if threads == 1:
            for index in range(count):
                work(index)
            return
        with ThreadPoolExecutor(threads, "adasr", torch.set_num_threads, (1,)) as pool:
            for _ in pool.map(work, range(count)):
                pass


@contextlib.contextmanager
def one_thread() -> Iterator[int]:
    """A single thread for torch on the CPU; gives how many it had, and has again afterwards."""
    threads = torch.get_num_threads()
    if threads > 1:
        torch.set_num_threads(1)
    try:
        yield threads
    finally:
        if threads > 1:
            torch.set_num_threads(threads)
