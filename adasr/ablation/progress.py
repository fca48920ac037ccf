"""How far the trainings are, read from what they write."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from .plan import Run
from .state import is_done

_EVERY = 1.0
_LINE_EVERY = 60.0


class RunProgress:
    """A bar for the whole ablation and one for each run in training; lines where no terminal is.

    Args:
        runs: of the ablation.
        console: where; standard output by default.
    """

    def __init__(self, runs: Sequence[Run], console: Console | None = None) -> None:
        self.runs = list(runs)
        self.console = console or Console(highlight=False)
        self.live = self.console.is_terminal
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.completed}/{task.total}"),
            TimeRemainingColumn(),
            console=self.console,
            disable=not self.live,
        )
        self._tasks: dict[str, TaskID] = {}
        self._next = self._next_line = self._began = 0.0
        self._first = 0
        total = sum(run.options.train.total_iter for run in self.runs)
        self._all = self._bars.add_task("all runs", total=total)

    def __enter__(self) -> RunProgress:
        self._bars.start()
        self._began = time.monotonic()
        self._next_line = self._began + _LINE_EVERY
        self._first = self._count()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bars.stop()

    def tell(self, line: str) -> None:
        """A line above the bars."""
        self.console.print(line, markup=False, soft_wrap=True)

    def __call__(self, active: Sequence[Run]) -> None:
        """Look how far ``active`` are."""
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + _EVERY
        if self.live:
            self._update(active)
        elif active and now >= self._next_line:
            self._next_line = now + _LINE_EVERY
            told = [f"{run.name} {_told(run)}" for run in active]
            self.tell("; ".join([*told, *self._left()]))

    def _left(self) -> list[str]:
        """How long all runs will take, judged by what was done since the start."""
        count, seconds = self._count() - self._first, time.monotonic() - self._began
        if count <= 0:
            return []
        total = sum(run.options.train.total_iter for run in self.runs)
        minutes = (total - self._first - count) * seconds / count / 60
        return [
            f"{minutes:.0f} min left for all"
            if minutes < 120
            else f"{minutes / 60:.1f} h left for all"
        ]

    def _count(self) -> int:
        """Iterations done of all runs."""
        return sum(
            run.options.train.total_iter if is_done(run) else reached(run.folder)
            for run in self.runs
        )

    def _update(self, active: Sequence[Run]) -> None:
        names = {run.name for run in active}
        for name in [name for name in self._tasks if name not in names]:
            self._bars.remove_task(self._tasks.pop(name))
        for run in active:
            if run.name not in self._tasks:
                total = run.options.train.total_iter
                self._tasks[run.name] = self._bars.add_task(run.name, total=total)
            self._bars.update(self._tasks[run.name], completed=reached(run.folder))
        self._bars.update(self._all, completed=self._count())


def _told(run: Run) -> str:
    return f"{reached(run.folder)}/{run.options.train.total_iter}"


def reached(folder: Path) -> int:
    """The last iteration that a run's ``metrics.jsonl`` tells of."""
    path = folder / "metrics.jsonl"
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 20_000))
            lines = file.read().splitlines()
    except OSError:
        return 0
    for line in reversed(lines):
        try:
            return int(json.loads(line)["iteration"])
        except (ValueError, KeyError, TypeError):
            continue  # cut off, or not whole yet
    return 0
