"""Pictures that readers have ready, handed on in the order of the folder."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

T = TypeVar("T")
_POLL = 0.1  # seconds; see Budget


class Arrivals(Generic[T]):
    """What several threads read, in order, and with the first all that can be computed with it.

    Args:
        total: how many will come, numbered from 0.
        stopping: whether waiting for more has no use any more.
    """

    def __init__(self, total: int, stopping: Callable[[], bool]) -> None:
        self._total, self._stopping = total, stopping
        self._ready: dict[int, T] = {}
        self._next = 0
        self._gone: set[int] = set()  # numbers after the next one that left in a batch before it
        self._changed = threading.Condition()

    def put(self, number: int, piece: T) -> None:
        """``piece`` is ready."""
        with self._changed:
            self._ready[number] = piece
            self._changed.notify_all()

    def take(self, kind: Callable[[T], tuple[Hashable, int]]) -> list[T] | None:
        """The next piece, with later ones of its kind that are ready.

        None after a tenth of a second in which it did not come; empty when all are through.
        Nothing else is waited for: where readers are ahead there are others, and
        where they are not, waiting would make it slower.

        Args:
            kind: what pieces must have in common, and how many of it may come together.
        """
        with self._changed:
            if self._next < self._total and self._next not in self._ready:
                self._changed.wait_for(lambda: self._next in self._ready, _POLL)
            if self._next >= self._total or self._stopping():
                return []
            if self._next not in self._ready:
                return None
            first = self._ready.pop(self._next)
            batch = [first]
            common, most = kind(first)
            for number in sorted(self._ready) if most > 1 else ():
                if len(batch) < most and kind(self._ready[number])[0] == common:
                    batch.append(self._ready.pop(number))
                    self._gone.add(number)
            self._next += 1
            while self._next in self._gone:
                self._gone.remove(self._next)
                self._next += 1
            return batch
