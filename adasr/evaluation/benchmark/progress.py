"""How far a benchmark is: a bar on a terminal, a line a minute elsewhere."""

from __future__ import annotations

import time
from types import TracebackType

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from .scorer import Progress

_EVERY = 60.0  # seconds between two lines


class ConsoleProgress(Progress):
    """Shows the course of a benchmark.

    Args:
        console: where.
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self._bar = Bar(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("", total=None)
        self._began = self._told = time.monotonic()
        self._done = self._total = 0

    def __enter__(self) -> ConsoleProgress:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def prepared(self, dataset: str, done: int, total: int) -> None:
        """``done`` of the images of a test set are read and degraded."""
        text = escape(f"{dataset}: degrading")
        self._bar.update(self._task, total=total, completed=done, description=text)

    def start(self, total: int) -> None:
        """There are ``total`` images to score, those of each model counted."""
        self._bar.reset(self._task, total=total, description="")
        self._total, self._began = total, time.monotonic()

    def step(self, model: str, dataset: str) -> None:
        """One is done."""
        self._done += 1
        self._bar.update(
            self._task, completed=self._done, description=escape(f"{model}, {dataset}")
        )
        now = time.monotonic()
        if not self.console.is_terminal and now - self._told >= _EVERY:
            self._told = now
            left = (self._total - self._done) * (now - self._began) / self._done / 60
            self.console.print(
                f"{self._done}/{self._total} images, {model} on {dataset}, {left:.0f} min left",
                markup=False,
            )
