"""What a run tells: the console, ``train.log``, ``metrics.jsonl``, TensorBoard and W&B."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor

from ..data.images import to_image
from ..files import remove_leftovers, write_text
from .log_files import Board, TextLog, append_line
from .scalars import scalars


class WandbRun(Protocol):
    """Where Weights & Biases logs to."""

    @property
    def project(self) -> str:
        """Its project."""
        ...

    @property
    def resume_id(self) -> str | None:
        """The run to go on with."""
        ...


class TrainingLog:
    """Writes to every place asked for; on other processes than the first it does nothing.

    A file that cannot be written (a full disk) is told about once and never ends the training.

    Args:
        folder: the experiment's folder.
        total_iter: length of the run.
        start_iter: iterations done before; later lines of ``metrics.jsonl`` are taken out.
        active: whether this process writes.
        tensorboard: write TensorBoard events to ``folder/tb``.
        wandb: the W&B project to log to, or None.
        quiet: nothing on the console.
    """

    def __init__(
        self,
        folder: Path,
        total_iter: int,
        start_iter: int = 0,
        active: bool = True,
        tensorboard: bool = True,
        wandb: WandbRun | None = None,
        quiet: bool = False,
    ) -> None:
        self.folder, self.active = folder, active
        self.console = Console(quiet=quiet or not active, highlight=False)
        self._logger = logging.getLogger(f"adasr.training.{folder.name}")
        self._logger.propagate = False
        self._logger.setLevel(logging.INFO)
        self._bar = Progress(
            TextColumn("{task.completed}/{task.total}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[status]}"),
            TimeRemainingColumn(),
            console=self.console,
            disable=not (active and self.console.is_terminal),
        )
        self._task = self._bar.add_task("", total=total_iter, completed=start_iter, status="")
        self._board = self._wandb = self._file = None
        self._unwritten: set[Path] = set()
        self._start_iter = start_iter
        if not active:
            return
        folder.mkdir(parents=True, exist_ok=True)
        remove_leftovers(folder)
        self._file = TextLog(folder / "train.log", self._written)
        self._logger.addHandler(self._file)
        if tensorboard:
            self._board = Board(folder / "tb", start_iter, self._written)
        if wandb is not None:
            self._wandb = self._start_wandb(wandb)

    def begin(self) -> None:
        """Take the records of iterations to come out: the run, which nothing hinders, makes new."""
        if self.active:
            _drop_after(self.folder / "metrics.jsonl", self._start_iter)

    def __enter__(self) -> TrainingLog:
        with contextlib.suppress(OSError):
            self._bar.start()
        return self

    def __exit__(self, *details: object) -> None:
        with contextlib.suppress(OSError):
            self._bar.stop()
        if self._board is not None:
            self._board.close()
        if self._wandb is not None:
            self._wandb.finish()
        if self._file is not None:
            self._logger.removeHandler(self._file)
            self._file.close()

    def info(self, message: str) -> None:
        """A line for the console and ``train.log``."""
        self._say(logging.INFO, message, "")

    def note(self, message: str) -> None:
        """A line for ``train.log`` alone."""
        if self.active:
            self._logger.info(message)

    def warn(self, message: str) -> None:
        """A line that a person should see."""
        self._say(logging.WARNING, message, "yellow")

    def progress(self, iteration: int, status: str) -> None:
        """Move the progress bar."""
        with contextlib.suppress(OSError):
            self._bar.update(self._task, completed=iteration, status=status)

    def metrics(self, iteration: int, kind: str, values: Mapping[str, Any]) -> None:
        """One line of ``metrics.jsonl``; its numbers go to TensorBoard and W&B as well.

        Args:
            iteration: 1-based.
            kind: ``train`` or ``val``.
            values: numbers; lists of numbers, or names to numbers, such as the sites' weights.
        """
        if not self.active:
            return
        record = {"iteration": iteration, "kind": kind, "time": round(time.time(), 3), **values}
        path = self.folder / "metrics.jsonl"
        try:
            append_line(path, json.dumps(record))
        except OSError as error:
            self._written(path, error)
        else:
            self._written(path, None)
        numbers = scalars(kind, values)
        if self._board is not None:
            self._board.add(numbers, iteration)
        if self._wandb is not None:
            self._wandb.log(numbers, step=iteration)

    @property
    def shows_images(self) -> bool:
        """Whether ``images`` has a place to write to."""
        return self._board is not None or self._wandb is not None

    def images(self, iteration: int, tag: str, pictures: Mapping[str, Tensor]) -> None:
        """Pictures for TensorBoard and W&B, as ``tag/label``.

        Args:
            iteration: 1-based.
            tag: the group they stand in.
            pictures: label to (3, H, W), float, RGB in [0, 1]; clamped, NaN is black.
        """
        if not self.shows_images:
            return
        shown = {f"{tag}/{label}": to_image(picture) for label, picture in pictures.items()}
        if self._board is not None:
            self._board.images(shown, iteration)
        if self._wandb is not None:
            import wandb  # type: ignore[import-not-found]

            logged = {name: wandb.Image(picture) for name, picture in shown.items()}
            self._wandb.log(logged, step=iteration)

    def _say(self, level: int, message: str, style: str) -> None:
        if self.active:
            self._logger.log(level, message)
            # It may be a file on a full disk, or a pipe that nobody reads any more.
            with contextlib.suppress(OSError):
                self.console.print(message, style=style, markup=False, soft_wrap=True)

    def _written(self, path: Path, error: OSError | None) -> None:
        """Tell once that a file cannot be written, and once that it can be again."""
        if (error is not None) == (path in self._unwritten):
            return
        if error is None:
            self._unwritten.remove(path)
            self.info(f"{path}: is written again; what came in between is missing there.")
            return
        self._unwritten.add(path)
        self.warn(
            f"{path}: cannot be written ({error.strerror or error}); the training goes on without. "
            "Free some space: a checkpoint that cannot be saved ends it."
        )

    def _start_wandb(self, wanted: WandbRun) -> Any:
        if importlib.util.find_spec("wandb") is None:
            self.warn("W&B is asked for but not installed (pip install wandb); going on without.")
            return None
        import wandb  # type: ignore[import-not-found]

        try:
            return wandb.init(
                project=wanted.project,
                id=wanted.resume_id,
                resume="allow",
                name=self.folder.name,
                dir=str(self.folder),
            )
        except Exception as error:  # a service that does not answer must not end a training
            self.warn(f"W&B does not start ({error}); going on without.")
            return None


def read_metrics(folder: Path) -> list[dict[str, Any]]:
    """The records of an experiment's ``metrics.jsonl``; a line cut off by a kill is left out."""
    return whole_records(folder)[0]


def whole_records(folder: Path) -> tuple[list[dict[str, Any]], int]:
    """As ``read_metrics``, and the number of lines that are no record."""
    path = folder / "metrics.jsonl"
    if not path.is_file():
        return [], 0
    records, broken = [], 0
    # A power cut can leave any bytes at the end.
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            record = json.loads(line)
        except json.JSONDecodeError:
            record = None
        if isinstance(record, dict) and isinstance(record.get("iteration"), int):
            records.append(record)
        else:
            broken += bool(line.strip())
    return records, broken


def _drop_after(path: Path, iteration: int) -> None:
    """Take the records after ``iteration`` out: the resumed run writes them again."""
    if path.is_file():
        kept = [r for r in read_metrics(path.parent) if r["iteration"] <= iteration]
        write_text(path, "".join(json.dumps(r) + "\n" for r in kept))
