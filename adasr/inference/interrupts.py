"""Ctrl-C and a cluster's SIGTERM: the first ends a run in good order, the second at once."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from types import FrameType, TracebackType

from ..files import discard_unfinished
from ..signals import StopSignals

_ECHO = 2.0  # seconds in which launchers pass a signal on that their processes got themselves


class Interrupts:
    """While entered, the first SIGINT or SIGTERM sets ``stop``; a second one ends the process.

    Files that are half written then are removed first. A process that torchrun or accelerate
    started takes a second signal within two seconds for the first one passed on.

    Args:
        stop: what the run looks at.
        on_request: called with the signal's name at the first one.
        environment: where a launcher says ``LOCAL_RANK``.
    """

    def __init__(
        self,
        stop: threading.Event,
        on_request: Callable[[str], None],
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        self.signal: int | None = None
        self._stop, self._on_request = stop, on_request
        self._echo = _ECHO if "LOCAL_RANK" in environment else 0.0
        self._since = 0.0
        self._signals = StopSignals(self._handle, take_ignored=False)

    @property
    def exit_code(self) -> int | None:
        """128 and the signal's number, as shells have it; None if there was none."""
        return None if self.signal is None else 128 + self.signal

    def __enter__(self) -> Interrupts:
        self._signals.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._signals.__exit__(kind, error, trace)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.signal is None:
            self.signal, self._since = number, time.monotonic()
            self._stop.set()
            self._on_request(signal.Signals(number).name)
        elif time.monotonic() - self._since >= self._echo:
            discard_unfinished()
            sys.stdout.flush()
            # Threads may be deep in a network or an encoder: an exception would wait for them.
            os._exit(128 + number)
