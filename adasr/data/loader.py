"""Batches for training, each a pure function of the seed, the images drawn before and the rank.

Nothing depends on the number of worker processes: a run that goes on from iteration t gets the very
batches that the uninterrupted run would have got.
"""

from __future__ import annotations

import functools
import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence, Sized
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from ..errors import AdasrError, OptionError

_LAST_SECONDS = 20  # of a worker after SIGTERM
_SIGNAL_SECONDS = 0.5  # until a signal that is on its way has come
_ORDER, _ITEM = 0, 1  # two streams of random numbers under one seed


class IterationSampler(Sampler[list[tuple[int, int]]]):
    """Endless batches of (index, seed), the first for iteration ``start_iter + 1``.

    The images are gone through in a new random order every epoch. Epochs follow each other without
    a gap, so a batch may end one and begin the next; every image comes once per epoch over all
    ranks together.

    Args:
        length: number of images.
        batch_size: per rank.
        seed: not negative.
        start_iter: iterations already done.
        rank: this process, from 0.
        world_size: number of processes.
        drawn: images that all ranks together drew in the iterations done; by default as many as
            these take with this ``batch_size`` and ``world_size``.

    Raises:
        OptionError: a value out of range.
    """

    def __init__(
        self,
        length: int,
        batch_size: int,
        seed: int,
        start_iter: int = 0,
        rank: int = 0,
        world_size: int = 1,
        drawn: int | None = None,
    ) -> None:
        usual = start_iter * world_size * batch_size
        self.drawn = usual if drawn is None else drawn
        least = {"length": 1, "batch_size": 1, "seed": 0, "start_iter": 0, "rank": 0, "drawn": 0}
        values = (length, batch_size, seed, start_iter, rank, self.drawn)
        for name, value in zip(least, values, strict=True):
            if value < least[name]:
                raise OptionError(f"must be at least {least[name]}, got {value}.", (name,))
        if rank >= world_size:
            raise OptionError(f"must be below world_size {world_size}, got {rank}.", ("rank",))
        self.length, self.batch_size, self.seed = length, batch_size, seed
        self.start_iter, self.rank, self.world_size = start_iter, rank, world_size
        self._epoch, self._order = -1, np.empty(0, np.int64)

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        iteration = self.start_iter
        while True:
            iteration += 1
            yield self.batch(iteration)

    def batch(self, iteration: int) -> list[tuple[int, int]]:
        """The (index, seed) pairs of an iteration, counted from 1."""
        since = (iteration - 1 - self.start_iter) * self.world_size + self.rank
        first = self.drawn + since * self.batch_size
        return [self._item(position) for position in range(first, first + self.batch_size)]

    def _item(self, position: int) -> tuple[int, int]:
        epoch, place = divmod(position, self.length)
        if epoch != self._epoch:
            raw = _philox(self.seed, _ORDER, epoch).random_raw(self.length)
            # Sorting raw numbers, unlike Generator.permutation, is frozen across NumPy versions.
            self._epoch, self._order = epoch, np.argsort(raw, kind="stable")
        return int(self._order[place]), int(_philox(self.seed, _ITEM, position).random_raw())


def _philox(*key: int) -> np.random.Philox:
    return np.random.Philox(np.random.SeedSequence(key))


def train_loader(
    dataset: Dataset[dict[str, Any]],
    batch_size: int,
    num_workers: int = 1,
    seed: int = 0,
    start_iter: int = 0,
    rank: int = 0,
    world_size: int = 1,
    multiprocessing_context: str | None = None,
    drawn: int | None = None,
) -> DataLoader[dict[str, Any]]:
    """An endless loader of collated training items, see ``IterationSampler`` and ``collate``.

    It draws nothing from torch's global random state. Workers are pinned to one thread each and
    leave Ctrl-C and SIGTERM to the main process. A cache of the data set is opened first, so that
    they share it.

    Args:
        dataset: takes ``(index, seed)`` and has a length.
        batch_size: per process.
        num_workers: worker processes per process; 0 loads in the main process.
        seed: not negative.
        start_iter: iterations already done.
        rank: this process, from 0.
        world_size: number of processes.
        multiprocessing_context: ``fork``, ``spawn`` or ``forkserver``; none: the system's default.
        drawn: images drawn before, see ``IterationSampler``.

    Raises:
        OptionError: a value out of range.
        DatasetError: the data set's cache cannot be had.
    """
    if num_workers < 0:
        raise OptionError(f"must not be negative, got {num_workers}.", ("num_workers",))
    assert isinstance(dataset, Sized)
    open_cache = getattr(dataset, "open_cache", None)
    if open_cache is not None:
        open_cache()
    sampler = IterationSampler(len(dataset), batch_size, seed, start_iter, rank, world_size, drawn)
    closing = torch.zeros((), dtype=torch.uint8).share_memory_()
    loader = _Loader(
        _Guarded(dataset),
        batch_sampler=sampler,
        num_workers=num_workers,
        collate_fn=collate,
        worker_init_fn=functools.partial(_start_worker, closing=closing),
        pin_memory=torch.cuda.is_available(),
        generator=torch.Generator().manual_seed(seed % 2**63),
        multiprocessing_context=multiprocessing_context if num_workers else None,
    )
    loader.closing = closing
    return loader


class _Guarded(Dataset[dict[str, Any]]):
    """Turns errors into items: raised in a worker they would reach a person as a traceback."""

    def __init__(self, dataset: Dataset[dict[str, Any]]) -> None:
        self.dataset = dataset

    def __getitem__(self, key: Any) -> dict[str, Any]:
        try:
            return self.dataset[key]
        except AdasrError as error:
            return {"error": error}


class _Loader(DataLoader[dict[str, Any]]):
    closing: torch.Tensor

    def __iter__(self) -> Any:
        self.closing.fill_(0)
        return _raising(super().__iter__(), self.closing)


def _raising(batches: Iterator[dict[str, Any]], closing: torch.Tensor) -> Iterator[dict[str, Any]]:
    try:
        for batch in _handed_over(batches):
            if "error" in batch:
                raise batch["error"]
            yield batch
    finally:
        closing.fill_(1)


def _handed_over(batches: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    try:
        yield from batches
    except (EOFError, ConnectionError) as error:
        # A worker has ended in the middle of a batch. Torch says so from a signal that is about to
        # come, and that would otherwise interrupt whatever deals with this error.
        time.sleep(_SIGNAL_SECONDS)
        raise RuntimeError("DataLoader worker exited in the middle of a batch.") from error


def collate(items: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Items to a batch: tensors stacked to (N, ...), ``skipped`` joined, the rest listed."""
    for item in items:
        if "error" in item:
            return item
    batch: dict[str, Any] = {}
    for key, value in items[0].items():
        values = [item[key] for item in items]
        if isinstance(value, torch.Tensor):
            batch[key] = torch.stack(values)
        elif key == "skipped":
            batch[key] = [problem for problems in values for problem in problems]
        else:
            batch[key] = values
    return batch


def _start_worker(worker: int, closing: torch.Tensor) -> None:
    """In each worker; ``closing`` is 1 when the main process is done with it.

    Torch is pinned to one thread by the DataLoader itself.

    OpenCV must not be: in a forked worker ``cv2.setNumThreads`` waits for threads of the parent
    for ever. Nothing a worker does here starts threads of OpenCV's.
    """
    # Ctrl-C and a cluster's SIGTERM go to the whole group of processes, but the main one decides
    # when to stop and needs its workers until then. It also ends workers that hang by SIGTERM, so
    # they do obey, only later where the signal may be the cluster's.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "alarm"):

        def stop(number: int, frame: object) -> None:
            if closing.item():
                os._exit(0)
            signal.alarm(_LAST_SECONDS)

        signal.signal(signal.SIGTERM, stop)

    def tell(*details: Any) -> None:
        # The thread that hands batches over finds nobody there any more.
        if not closing.item():
            sys.__excepthook__(*details)

    sys.excepthook = tell
