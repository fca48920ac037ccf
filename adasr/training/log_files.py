"""Files that a log writes to; a full disk must end neither the training nor the log."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from .scalars import layout

Problem = Callable[[Path, OSError | None], None]
"""Told of a file that cannot be written, and with None of one that was written."""


def append_line(path: Path, line: str) -> None:
    """Append one line, or nothing of it.

    Raises:
        OSError: the disk is full or the place cannot be written.
    """
    data = line.encode("utf-8") + b"\n"
    with path.open("ab", buffering=0) as file:
        size = file.tell()
        try:
            written = file.write(data)
            if written < len(data):  # what fitted; the next call names the reason
                file.write(data[written:])
        except OSError:
            with contextlib.suppress(OSError):
                file.truncate(size)
            raise


class TextLog(logging.Handler):
    """Appends lines to a file, opened for every one: rare, and nothing is held back.

    Args:
        path: the file.
        problem: told how it went.
    """

    def __init__(self, path: Path, problem: Problem) -> None:
        super().__init__()
        self.path, self._problem = path, problem
        self.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        try:
            append_line(self.path, self.format(record))
        except OSError as error:
            self._problem(self.path, error)
        else:
            self._problem(self.path, None)


class Board:
    """TensorBoard events; given up at the first one that cannot be written.

    Args:
        folder: for the events.
        start_iter: iterations done before; later events of an earlier run are hidden.
        problem: told how it went.
    """

    def __init__(self, folder: Path, start_iter: int, problem: Problem) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.folder, self._problem = folder, problem
        self._hook = threading.excepthook
        threading.excepthook = self._on_thread_error
        self._tags: set[str] = set()
        self._writer: SummaryWriter | None = None
        with self._guarded():
            self._writer = SummaryWriter(str(folder), purge_step=start_iter + 1)

    def add(self, numbers: Mapping[str, float], iteration: int) -> None:
        """One point on each curve; related curves share a chart."""
        if (writer := self._writer) is None:
            return
        with self._guarded():
            for name, value in numbers.items():
                writer.add_scalar(name, value, iteration)
            if not self._tags.issuperset(numbers):
                self._tags.update(numbers)
                writer.add_custom_scalars(layout(sorted(self._tags)))

    def images(self, pictures: Mapping[str, Any], iteration: int) -> None:
        """Pictures by tag, (H, W, 3) uint8."""
        if (writer := self._writer) is None:
            return
        with self._guarded():
            for name, picture in pictures.items():
                writer.add_image(name, picture, iteration, dataformats="HWC")

    def close(self) -> None:
        """Write what is left."""
        with self._guarded():
            if self._writer is not None:
                self._writer.close()
        threading.excepthook = self._hook

    @contextlib.contextmanager
    def _guarded(self) -> Any:
        try:
            yield
        except OSError as error:
            self._writer = None
            self._problem(self.folder, error)

    def _on_thread_error(self, args: threading.ExceptHookArgs) -> None:
        """The thread that writes the events raises what its next caller gets as well."""
        ours = type(args.thread).__module__.startswith("tensorboard")
        if not (ours and issubclass(args.exc_type, OSError)):
            self._hook(args)
