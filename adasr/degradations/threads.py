"""Samples of a batch in threads."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Lock

import torch


def for_each(count: int, work: Callable[[int], None]) -> None:
    """Call ``work`` with 0, 1, ... in as many threads as torch has here, this one included.

    Compiled functions, OpenCV and torch let go of the interpreter while they compute. Inside, torch
    has a single thread: many small operations gain nothing from more, and each would wait for
    threads that are busy with other samples. Threads live as long as the call, so that a process
    that forks afterwards has nothing to inherit.
    """
    indices, lock = iter(range(count)), Lock()

    def work_off() -> None:
        while True:
            with lock:
                index = next(indices, None)
            if index is None:
                return
            try:
                work(index)
            except BaseException:
                with lock:  # nobody needs the others then
                    list(indices)
                raise

    with one_thread() as threads:
        helpers = min(threads, count) - 1
        if helpers < 1:
            work_off()
            return
        with ThreadPoolExecutor(helpers, "adasr", torch.set_num_threads, (1,)) as pool:
            done = [pool.submit(work_off) for _ in range(helpers)]
            work_off()
            for helper in done:
                helper.result()


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
