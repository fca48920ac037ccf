"""How much of a folder may be in memory at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable

_POLL = 0.1  # seconds; a request to stop wakes nobody by itself


class Budget:
    """Bytes and pieces between reading and having been written.

    Pieces are admitted in the order in which they ask. One that is larger than all there is gets
    in when it is alone.

    Args:
        size: bytes at a time.
        count: pieces at a time.
        stopping: whether nobody shall be admitted any more.
    """

    def __init__(self, size: int, count: int, stopping: Callable[[], bool]) -> None:
        self.size, self.count = size, count
        self._stopping = stopping
        self._changed = threading.Condition()
        self._used = self._pieces = 0

    def take(self, size: int) -> bool:
        """Wait until there is room for ``size`` bytes; False when stopping."""
        with self._changed:
            while not self._stopping():
                alone = self._pieces == 0
                if alone or (self._pieces < self.count and self._used + size <= self.size):
                    self._used += size
                    self._pieces += 1
                    return True
                self._changed.wait(_POLL)
            return False

    def give(self, size: int) -> None:
        """Give back what ``take`` got."""
        with self._changed:
            self._used -= size
            self._pieces -= 1
            self._changed.notify_all()
