"""A request to stop, from Ctrl-C or a cluster's SIGTERM, that waits for the iteration's end."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from types import FrameType, TracebackType

from ..signals import StopSignals

ECHO = 2.0
"""Seconds in which a second signal is taken for an echo of the first.

A cluster signals every process of a job, and torchrun passes the signal on to its own once more.
"""


class Interrupted(BaseException):
    """A request to stop met what can be given up. No ``Exception``, so that nothing catches it."""


class StopRequest:
    """While entered, the first SIGINT or SIGTERM is remembered in ``signal``.

    A second one, more than ``ECHO`` seconds later, ends what is being done: files that are half
    written are removed on the way out. A third ends the process on the spot.

    Args:
        on_request: called with the signal's name at the first request.
    """

    def __init__(self, on_request: Callable[[str], None]) -> None:
        self.signal: int | None = None
        self._on_request = on_request
        self._signals = StopSignals(self._handle)
        self._interruptible = self._leaving = False
        self._since = 0.0

    def __enter__(self) -> StopRequest:
        self._signals.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._signals.__exit__(kind, error, trace)

    @contextlib.contextmanager
    def interruptible(self) -> Iterator[None]:
        """What may take long and can be given up: waiting for data, validating.

        Raises:
            Interrupted: a request was there already or came meanwhile.
        """
        self._interruptible = True
        try:
            if self.signal is not None:
                raise Interrupted
            yield
        finally:
            self._interruptible = False

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._leaving:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        elif self.signal is None:
            self.signal, self._since = number, time.monotonic()
            self._on_request(signal.Signals(number).name)
            if self._interruptible:
                raise Interrupted
        elif time.monotonic() - self._since > ECHO:
            self._leaving = True
            if number == signal.SIGINT:
                raise KeyboardInterrupt
            raise SystemExit(128 + number)
