"""Reading, computing and writing at the same time, in bounded memory."""

from __future__ import annotations

import contextlib
import os
import queue
import sys
import threading
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from .arrivals import Arrivals
from .budget import Budget
from .plan import Job

In = TypeVar("In")
Out = TypeVar("Out")
OnTile = Callable[[int, int], None]

_MOST_AT_A_TIME = 64
_YIELD = 5  # of niceness: a third of the share of the threads that compute


class Work(Protocol[In, Out]):
    """What is done to each image. Its methods are called by several threads, ``compute`` by one."""

    def is_done(self, job: Job) -> bool:
        """Whether there is nothing to do."""
        ...

    def size(self, job: Job) -> int:
        """Bytes that the image and its result take, from the header alone."""
        ...

    def read(self, job: Job) -> In:
        """The image."""
        ...

    def kind(self, content: In) -> tuple[Hashable, int]:
        """What images must have in common to be computed together, and how many may be."""
        ...

    def compute(self, jobs: Sequence[Job], contents: Sequence[In], on_tile: OnTile) -> list[Out]:
        """The results."""
        ...

    def write(self, job: Job, result: Out) -> Path:
        """Write the result; the file."""
        ...


@dataclass(frozen=True)
class Started:
    """The network begins with an image."""

    number: int


@dataclass(frozen=True)
class Tiled:
    """``done`` of ``total`` tiles of the current image are done."""

    done: int
    total: int


@dataclass(frozen=True)
class Ended:
    """An image is through: ``output`` is its file; with neither that nor an error it was there."""

    number: int
    output: Path | None = None
    error: Exception | None = None


Event = Started | Tiled | Ended


@dataclass(frozen=True)
class _Closed:
    error: BaseException | None


class _Stopped(BaseException):
    """Leaves the network between two tiles. No ``Exception``, so that nothing catches it."""


@dataclass
class _Piece(Generic[In, Out]):
    """An image on its way."""

    number: int
    size: int
    there: bool = False
    content: In | None = None
    result: Out | None = None
    error: Exception | None = None


class Pipeline(Generic[In, Out]):
    """Threads that read and threads that write, around the caller's, which computes.

    OpenMP's threads wait for work in a slow way where two threads of a process compute with more
    of them than there are cores, even one after the other: a network loaded in one thread and run
    in another took a fifth longer.

    Args:
        jobs: the images, in order.
        work: what is done to each.
        room: bytes of images and results in memory at a time.
        stop: set by anybody to end early: what is computed is still written, what is being
            computed is dropped at its next tile.
        yielding: whether the network needs all the cores itself: readers and writers then take
            what it leaves.
        threads: that read, and that write.
    """

    def __init__(
        self,
        jobs: Sequence[Job],
        work: Work[In, Out],
        room: int,
        stop: threading.Event,
        yielding: bool = False,
        threads: int | None = None,
    ) -> None:
        self.jobs, self.work, self.stop = jobs, work, stop
        self._budget = Budget(room, _MOST_AT_A_TIME, stop.is_set)
        self._arrivals: Arrivals[_Piece[In, Out]] = Arrivals(len(jobs), stop.is_set)
        self._results: queue.SimpleQueue[_Piece[In, Out] | None] = queue.SimpleQueue()
        self._events: queue.SimpleQueue[Ended | _Closed] = queue.SimpleQueue()
        self._waiting: dict[int, Ended] = {}
        self._following = self._open = 0
        self._fault: BaseException | None = None  # of who was told of a tile
        self._order = threading.Lock()
        self._yielding = yielding
        self._next = 0
        self._count = threads or min(4, max(2, os.cpu_count() or 2))

    def run(self, tell: Callable[[Event], None]) -> None:
        """Run to the end, or until ``stop``.

        Args:
            tell: is told in the caller's thread what happens, endings in the order of ``jobs``. An
                exception of its own ends the run and leaves it.
        """
        self._tell = tell
        loops = [self._read] * self._count + [self._write] * self._count
        running = [threading.Thread(target=self._run, args=(loop,), daemon=True) for loop in loops]
        self._open = len(running)
        for thread in running:
            thread.start()
        try:
            self._compute()
            while self._open:
                self._handle(self._events.get())
            for number in sorted(self._waiting):  # after a stop there are gaps
                tell(self._waiting[number])
        finally:
            self.stop.set()
            for thread in running:
                thread.join()

    def _handle_all(self) -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                self._handle(self._events.get_nowait())

    def _handle(self, event: Ended | _Closed) -> None:
        if isinstance(event, _Closed):
            self._open -= 1
            if event.error is not None:
                raise event.error
            return
        self._waiting[event.number] = event
        while self._following in self._waiting:
            self._tell(self._waiting.pop(self._following))
            self._following += 1

    def _run(self, loop: Callable[[], None]) -> None:
        error: BaseException | None = None
        try:
            loop()
        except BaseException as found:  # a fault of ours must not leave the others waiting
            error = found
            self.stop.set()
        finally:
            self._events.put(_Closed(error))

    def _read(self) -> None:
        self._yield_cores()
        while (piece := self._admitted()) is not None:
            job = self.jobs[piece.number]
            try:
                if not piece.there:
                    piece.content = self.work.read(job)
            except Exception as error:  # one bad file must not stop the rest, whatever it does
                piece.error = error
            self._arrivals.put(piece.number, piece)

    def _admitted(self) -> _Piece[In, Out] | None:
        """The next image, once there is room for it."""
        with self._order:  # room is given in order, or a later image could take that of the next
            number = self._next
            if number >= len(self.jobs) or self.stop.is_set():
                return None
            piece: _Piece[In, Out] = _Piece(number, 0)
            with contextlib.suppress(Exception):  # reading it tells what is wrong
                piece.there = self.work.is_done(self.jobs[number])
                piece.size = 0 if piece.there else self.work.size(self.jobs[number])
            if not self._budget.take(piece.size):
                return None
            self._next += 1
            return piece

    def _compute(self) -> None:
        try:
            while (batch := self._arrivals.take(self._kind)) is None or batch:
                if batch:
                    self._compute_batch(batch)
                    del batch  # nothing of it is kept while the next is waited for
                self._handle_all()
        except _Stopped:
            if self._fault is not None:
                raise self._fault from None
        finally:
            for _ in range(self._count):
                self._results.put(None)

    def _kind(self, piece: _Piece[In, Out]) -> tuple[Hashable, int]:
        if piece.error is not None or piece.content is None:
            return None, 1
        return self.work.kind(piece.content)

    def _compute_batch(self, batch: list[_Piece[In, Out]]) -> None:
        for piece in batch:
            self._tell(Started(piece.number))
        results: list[Out] | None = None
        if len(batch) > 1:
            with contextlib.suppress(Exception):  # one by one then, to tell which it is
                results = self._results_of(batch)
        for number, piece in enumerate(batch):
            if results is not None:
                piece.result = results[number]
            elif piece.content is not None and piece.error is None:
                try:
                    [piece.result] = self._results_of([piece])
                except Exception as error:
                    piece.error = error
        for piece in batch:
            piece.content = None
            self._results.put(piece)

    def _results_of(self, batch: Sequence[_Piece[In, Out]]) -> list[Out]:
        jobs = [self.jobs[piece.number] for piece in batch]
        contents = [piece.content for piece in batch if piece.content is not None]
        return self.work.compute(jobs, contents, self._on_tile)

    def _on_tile(self, done: int, total: int) -> None:
        if self.stop.is_set() and done < total:
            raise _Stopped
        try:
            self._tell(Tiled(done, total))
            self._handle_all()
        except BaseException as fault:  # not to be taken for a fault of the network
            self._fault = fault
            raise _Stopped from None

    def _write(self) -> None:
        self._yield_cores()
        while (piece := self._results.get()) is not None:
            output, error = None, piece.error
            if piece.result is not None:
                try:
                    output = self.work.write(self.jobs[piece.number], piece.result)
                except Exception as found:
                    error = found
            piece.result = None
            # Told before there is room for more, so that a full disk is known as early as can be.
            self._events.put(Ended(piece.number, output, error))
            self._budget.give(piece.size)

    def _yield_cores(self) -> None:
        if self._yielding and sys.platform == "linux":  # where threads have priorities of their own
            with contextlib.suppress(OSError):
                own = threading.get_native_id()
                least = min(19, os.getpriority(os.PRIO_PROCESS, own) + _YIELD)
                os.setpriority(os.PRIO_PROCESS, own, least)
