"""``adasr ablate``: plan, train, compare."""

from __future__ import annotations

import fnmatch
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from rich.console import Console

from ..errors import OptionError, TrainingError, did_you_mean
from .build_check import check_build
from .claims import claim
from .compare import check_comparison, compare
from .plan import Ablation, Run, of_variant, read_ablation
from .progress import RunProgress
from .state import Standing, State, standing
from .train import Outcome, train_all

Tell = Callable[[str], None]


def ablate(
    path: Path,
    overrides: Sequence[str] = (),
    *,
    base: Path | None = None,
    name: str | None = None,
    jobs: int = 1,
    only: Sequence[str] = (),
    fresh: bool = False,
    dry_run: bool = False,
    report: bool = False,
    tell: Tell = print,
) -> int:
    """Train every run of an ablation that is not done and compare all that are; the exit code.

    Args:
        path: the ablation's YAML.
        overrides: ``KEY=VALUE`` over its base.
        base: option YAML in place of the file's base.
        name: in place of the file's.
        jobs: trainings at once.
        only: names of variants or runs, with ``*`` and ``?``; by default all.
        fresh: train runs anew whose options have changed; their old folders are renamed.
        dry_run: only tell the plan.
        report: train nothing, compare what is done.
        tell: takes lines for a person.

    Raises:
        OptionError: something in the file is wrong, or a name that ``only`` gives.
        TrainingError: runs were begun with other options.
    """
    if "LOCAL_RANK" in os.environ:
        raise TrainingError(
            "several processes cannot share an ablation like a training. Start it without torchrun "
            "or accelerate launch; -j 4 trains four at once, on as many GPUs as there are."
        )
    ablation = read_ablation(path, overrides, base, name)
    runs = chosen(ablation, only)
    if not (dry_run or report):
        check_all(runs)
    if not dry_run:
        # Without a training before it the comparison says the same at once.
        check_comparison(ablation, (lambda line: None) if report else tell)
    standings = {run.name: standing(run) for run in runs}
    _tell_plan(ablation, runs, standings, tell)
    if dry_run:
        return 0
    outcome = Outcome()
    if not report:
        _deal_with_changes(runs, standings, fresh)
        with RunProgress(runs) as progress:
            outcome = train_all(runs, jobs, progress.tell if progress.live else tell, progress)
        _tell_end(runs, outcome, tell)
        if outcome.stopped_by is not None:
            return 128 + outcome.stopped_by
    return max(1 if outcome.failed else 0, _compare(ablation, tell))


def _compare(ablation: Ablation, tell: Tell) -> int:
    if ablation.benchmark is None:
        return 0
    console = Console(highlight=False, soft_wrap=True)
    return compare(ablation, ablation.benchmark, tell, console)


def chosen(ablation: Ablation, only: Sequence[str]) -> list[Run]:
    """The runs whose name or variant fits one of the patterns; all without any.

    Raises:
        OptionError: a pattern fits none.
    """
    if not only:
        return ablation.runs
    found: dict[str, Run] = {}
    for pattern in only:
        fits = [
            run
            for run in ablation.runs
            if fnmatch.fnmatchcase(run.name, pattern)
            or fnmatch.fnmatchcase(run.variant.name, pattern)
        ]
        if not fits:
            names = [variant.name for variant in ablation.variants]
            raise OptionError(
                f"--only {pattern}: no run of {ablation.file} is called so.",
                hint=did_you_mean(pattern, names),
            )
        found |= {run.name: run for run in fits}
    return [run for run in ablation.runs if run.name in found]


def check_all(runs: Sequence[Run]) -> None:
    """Build every variant once.

    Raises:
        AdasrError: one cannot be built.
    """
    for run in {run.variant.name: run for run in runs}.values():
        with of_variant(run.variant):
            check_build(run.options)


def _tell_plan(
    ablation: Ablation, runs: Sequence[Run], standings: Mapping[str, Standing], tell: Tell
) -> None:
    width = max(len(run.name) for run in runs)
    for line in ablation.source.notes:
        tell(line)
    for run in runs:
        here = standings[run.name]
        total = run.options.train.total_iter
        told = {
            State.DONE: f"done ({total} iterations)",
            State.BEGUN: f"goes on from iteration {here.iteration} of {total}",
            State.NEW: f"to do ({total} iterations)",
            State.CHANGED: f"has other options than at its iteration {here.iteration}",
        }[here.state]
        tell(f"{run.name:{width}}  {told}")
        for line in here.differs:
            tell(f"{'':{width}}  - {line}")
    counts = Counter(here.state for here in standings.values())
    tell(
        f"{ablation.name}: {len(runs)} runs, {counts[State.DONE]} done, "
        f"{len(runs) - counts[State.DONE]} to do, in {ablation.root}"
    )


def _deal_with_changes(runs: Sequence[Run], standings: Mapping[str, Standing], fresh: bool) -> None:
    changed = [run for run in runs if standings[run.name].state is State.CHANGED]
    if changed and not fresh:
        raise TrainingError(
            f"{', '.join(run.name for run in changed)}: trained with other options than the file "
            "now has (listed above). Put them back, give the ablation another name, or train "
            "these runs anew with --fresh; their old folders are renamed."
        )
    for run in changed:
        lock = claim(run)
        if lock is None:
            raise TrainingError(f"{run.name}: is being trained now. Wait for it, or stop it.")
        with lock:
            set_aside(run)


def set_aside(run: Run) -> None:
    """Rename a run's folder, so that it begins anew."""
    number = 1
    while (target := run.root / "replaced" / f"{run.name}_{number}").exists():
        number += 1
    target.parent.mkdir(parents=True, exist_ok=True)
    run.folder.rename(target)


def _tell_end(runs: Sequence[Run], outcome: Outcome, tell: Tell) -> None:
    if outcome.stopped_by is not None:
        tell(
            f"stopped: {len(outcome.done)} of {len(runs)} runs are done, the others are saved. "
            "The same command goes on."
        )
        return
    for name, problem in outcome.failed.items():
        tell(f"{name}: {problem}")
    tell(f"{len(outcome.done)} of {len(runs)} runs are done, {len(outcome.failed)} failed.")
