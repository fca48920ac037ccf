"""The trained networks of an ablation compared: one benchmark, its report and a ranking."""

from __future__ import annotations

import contextlib
import os
import shlex
import sys
import threading
from collections.abc import Callable, Iterator, Sequence

from filelock import FileLock
from rich.console import Console

from ..data.images import list_images
from ..errors import OptionError, UnavailableError
from ..evaluation.benchmark import ModelFile, Settings, Sources
from ..evaluation.benchmark.benchmark import benchmark
from ..evaluation.benchmark.progress import ConsoleProgress
from ..evaluation.benchmark.recipes import expand
from ..evaluation.benchmark.run import Outcome
from ..evaluation.benchmark.scoring import make_metric
from ..evaluation.headlines import headline_table
from ..files import write_text
from ..inference.interrupts import Interrupts
from .options import BenchmarkOptions
from .plan import Ablation, Run
from .runs_table import runs_table
from .state import State, standing, weights_of

Tell = Callable[[str], None]


def check_comparison(ablation: Ablation, tell: Tell) -> None:
    """What would end the comparison after all the training: folders, degradations, metrics.

    Raises:
        AdasrError: one of them is not there.
    """
    wanted = ablation.benchmark
    if wanted is None:
        return
    with _at_its_key(ablation):
        Sources(wanted.data).check()
        expand(wanted.recipes)
        missing = 0
        for label in wanted.metrics:
            try:
                make_metric(label, 0)
            except UnavailableError as error:
                missing += 1
                tell(f"metric '{label}' will be left out: {error}")
        if missing == len(wanted.metrics):
            raise OptionError("none can be had here.", ("--metrics",), "E.g. [psnr, ssim].")
    for folder in wanted.data:
        list_images(folder)


def compare(ablation: Ablation, wanted: BenchmarkOptions, tell: Tell, console: Console) -> int:
    """Score every run that is done and write the report; the exit code.

    Scores that are there already are not taken again, so it may be called as often as one likes.

    Raises:
        AdasrError: nothing can be scored, or the disk is full.
    """
    states = {run.name: standing(run).state for run in ablation.runs}
    if changed := [name for name, state in states.items() if state is State.CHANGED]:
        tell(f"left out, since trained with other options: {', '.join(changed)}")
    runs = [run for run in ablation.runs if states[run.name] is State.DONE]
    if not runs:
        tell("no run is done, there is nothing to compare.")
        return 1
    out = ablation.root / "report"
    stop = threading.Event()
    with (
        _alone(ablation, tell),
        _at_its_key(ablation),
        ConsoleProgress(console) as progress,
        Interrupts(stop, _say_stopping) as interrupts,
    ):
        write_text(out / "runs.md", runs_table(ablation, runs))
        outcome = benchmark(
            [_model(run, wanted) for run in runs],
            Sources(wanted.data),
            wanted.recipes,
            wanted.metrics,
            out,
            wanted.pictures,
            Settings(command=shlex.join(["adasr", *sys.argv[1:]])),
            title(ablation, runs),
            True,
            tell,
            progress,
            stop,
        )
    return _told(outcome, interrupts.exit_code, ablation, tell, console)


def title(ablation: Ablation, runs: Sequence[Run]) -> str:
    """The report's heading; it says when runs are missing."""
    missing = len(ablation.runs) - len(runs)
    return f"{ablation.name} ({missing} runs are missing)" if missing else ablation.name


def _model(run: Run, wanted: BenchmarkOptions) -> ModelFile:
    return ModelFile(weights_of(run, wanted.weights), run.name, run.variant.name, run.seed)


def _told(
    outcome: Outcome, signalled: int | None, ablation: Ablation, tell: Tell, console: Console
) -> int:
    results = outcome.results
    for metric in results.metrics:
        with contextlib.suppress(KeyError):  # no image could be scored
            console.print(headline_table(results, metric))
    tell(f"report: {ablation.root / 'report' / 'report.html'}")
    if outcome.ended is not None:
        raise outcome.ended
    if outcome.stopped:
        tell("stopped: what was scored is kept. The same command goes on.")
        return signalled or 1
    return 1 if any(e.failures for e in results.evaluations) else 0


@contextlib.contextmanager
def _alone(ablation: Ablation, tell: Tell) -> Iterator[None]:
    """Wait for another process that compares the same runs; it leaves little to be done."""
    (ablation.root / "plan").mkdir(parents=True, exist_ok=True)
    lock = FileLock(ablation.root / "plan" / ".report.lock")
    try:
        lock.acquire(timeout=0)
    except TimeoutError:
        tell("waiting for another process that writes the report.")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


@contextlib.contextmanager
def _at_its_key(ablation: Ablation) -> Iterator[None]:
    """Give what the benchmark says of its options the place in the ablation's file."""
    try:
        yield
    except OptionError as error:
        first, *rest = error.key or ("",)
        if not str(first).startswith("--"):
            raise
        key = ("benchmark", str(first).removeprefix("--"), *rest)
        raise ablation.source.error([OptionError(error.message, key, error.hint)]) from None


def _say_stopping(name: str) -> None:
    # Not by print: the signal may have come in the middle of one.
    os.write(2, f"\n{name}: stopping after the current image; once more stops at once.\n".encode())
