"""SIGINT and SIGTERM handed to a function for a while."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Self

_STOPPING = (signal.SIGINT, signal.SIGTERM)


class StopSignals:
    """While entered, SIGINT and SIGTERM call a function; then what handled them before does again.

    Only the main thread of a process may do so; elsewhere nothing happens.

    Args:
        handle: called with the signal's number and the frame it came in.
        take_ignored: whether also those that the process ignores, as nohup and shells' ``&`` set
            it.
    """

    def __init__(
        self, handle: Callable[[int, FrameType | None], None], take_ignored: bool = True
    ) -> None:
        self._handle, self._take_ignored = handle, take_ignored
        self._previous: dict[int, object] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in _STOPPING:
                if self._take_ignored or signal.getsignal(number) != signal.SIG_IGN:
                    self._previous[number] = signal.signal(number, self._handle)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
        self._previous.clear()
