"""How far a folder is: a bar on a terminal, a line a minute elsewhere."""

from __future__ import annotations

import time
from collections import deque
from pathlib import Path
from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from .folder.report import shown

_EVERY = 60.0  # seconds between two lines
# Seconds that the rate is taken over. Fewer than _EVERY: what a resumed run passes over in its
# first moments must not count as speed.
_WINDOW = 45.0
_LONGEST_NAME = 32


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text("" if not task.speed else f"{task.speed:.2f} images/s")


class FolderProgress:
    """Callbacks for ``upscale_folder``.

    Args:
        console: where it is shown.
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            _Rate(),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("", total=None)
        self._told = time.monotonic()
        self._times = deque([self._told])
        self._done, self._total = 0, 0

    def __enter__(self) -> FolderProgress:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def start(self, path: Path, number: int, total: int) -> None:
        """An image begins."""
        name = shown(Path(path.name))
        short = name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"
        self._total = total
        self._bar.update(self._task, total=total, description=short)

    def tile(self, done: int, total: int) -> None:
        """A tile of the current image is done: part of an image in the bar."""
        if total > 1:
            self._bar.update(self._task, completed=self._done + done / total)

    def done(self, path: Path, problem: str | None) -> None:
        """An image is through."""
        self._done += 1
        self._bar.update(self._task, completed=self._done)
        now = time.monotonic()
        self._times.append(now)
        while len(self._times) > 2 and now - self._times[0] > _WINDOW:
            self._times.popleft()
        if not self.console.is_terminal and now - self._told >= _EVERY:
            self._told = now
            rate = (len(self._times) - 1) / (now - self._times[0])
            left = _minutes((self._total - self._done) / rate)
            print(
                f"{self._done}/{self._total} images, {rate:.2f} images/s, {left} left", flush=True
            )


def _minutes(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"
