"""``adasr benchmark``: what a person typed to a benchmark, its table and its exit code."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from ...errors import OptionError
from ...inference.interrupts import Interrupts
from ..headlines import headline_table
from ..tables import rich_table
from .benchmark import benchmark
from .models import ModelFile
from .plan import Settings
from .progress import ConsoleProgress
from .run import Outcome
from .sets import Sources

_MOST_LINES = 20
_MOST_COLUMNS = 8


def run_command(
    models: Sequence[str],
    sources: Sources,
    recipes: Sequence[str],
    metrics: Sequence[str] | None,
    out: Path,
    pictures: int,
    settings: Settings,
) -> int:
    """Benchmark as ``adasr benchmark --help`` says.

    Returns:
        The exit code: 0 if every image was scored, 1 if some failed, a metric that was asked for
        could not be had or the disk is full, 130 and 143 after SIGINT and SIGTERM.

    Raises:
        AdasrError: nothing can be scored; the message says why.
    """
    console = Console(highlight=False, soft_wrap=True)
    stop = threading.Event()
    say = _Failures(console)
    with ConsoleProgress(console) as progress, Interrupts(stop, _say_stopping) as interrupts:
        try:
            outcome = benchmark(
                [model_file(text) for text in models],
                sources,
                recipes,
                metrics,
                out,
                pictures,
                settings,
                "",
                False,
                say,
                progress,
                stop,
            )
        except KeyboardInterrupt:
            print("stopped before the first score.", file=sys.stderr)
            return interrupts.exit_code or 130
    _show(outcome, console, out)
    say.rest(out)
    if outcome.ended is not None:
        print(f"error: {outcome.ended}", file=sys.stderr)
        return 1
    if outcome.stopped:
        print("stopped: what was scored is kept. The same command goes on.", file=sys.stderr)
        return interrupts.exit_code or 1
    asked = metrics is not None and outcome.plan.scoring.missing
    return 1 if asked or any(e.failures for e in outcome.results.evaluations) else 0


def model_file(text: str) -> ModelFile:
    """``FILE`` or ``NAME=FILE``.

    Raises:
        OptionError: a name without a file.
    """
    if Path(text).expanduser().exists() or "=" not in text:
        return ModelFile(Path(text))
    name, _, path = text.partition("=")
    if not name or not path:
        raise OptionError(f"expected FILE or NAME=FILE, got '{text}'.", ("--model",))
    return ModelFile(Path(path), name)


def named_patterns(texts: Sequence[str]) -> dict[str, str]:
    """``NAME=PATTERN`` of ``--group``.

    Raises:
        OptionError: something else.
    """
    found = {}
    for text in texts:
        name, equals, pattern = text.partition("=")
        if not (name and equals and pattern):
            raise OptionError(
                f"expected NAME=PATTERN, got '{text}'.", ("--group",), "E.g. plain='plain_s*'."
            )
        found[name] = pattern
    return found


class _Failures:
    """Shows lines; of failures only the first few, for the files hold all."""

    def __init__(self, console: Console) -> None:
        self.console, self.failed = console, 0

    def __call__(self, line: str) -> None:
        if line.startswith("failed: "):
            self.failed += 1
            if self.failed > _MOST_LINES:
                return
        self.console.print(line, markup=False)

    def rest(self, out: Path) -> None:
        if self.failed > _MOST_LINES:
            more = self.failed - _MOST_LINES
            self.console.print(f"and {more} more failures: see {out}", markup=False)


def _show(outcome: Outcome, console: Console, out: Path) -> None:
    results = outcome.results
    for metric in results.metrics:
        with contextlib.suppress(KeyError):  # no image could be scored
            console.print(headline_table(results, metric))
    lines = len(results.recipes) * len(results.datasets)
    columns = len(results.metrics) * len(results.models)
    if 1 < lines <= _MOST_LINES and columns <= _MOST_COLUMNS:
        console.print(rich_table(results.evaluations))
    console.print(f"Results: {out}", markup=False)


def _say_stopping(name: str) -> None:
    # Not by print: the signal may have come in the middle of one.
    os.write(2, f"\n{name}: stopping after the current image; once more stops at once.\n".encode())
