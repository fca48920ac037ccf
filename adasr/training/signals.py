"""A request to stop, from Ctrl-C or a cluster's SIGTERM, that waits for the iteration's end."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType


class StopRequest:
    """While entered, the first SIGINT or SIGTERM is remembered in ``signal``; a second acts.

    Args:
        on_request: called with the signal's name at the first request.
    """

    def __init__(self, on_request: Callable[[str], None]) -> None:
        self.signal: int | None = None
        self._on_request = on_request
        self._previous: dict[int, object] = {}

    def __enter__(self) -> StopRequest:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
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

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.signal is not None:
            raise KeyboardInterrupt
        self.signal = number
        self._on_request(signal.Signals(number).name)
