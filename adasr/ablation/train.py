"""Training the runs of an ablation, several at once, until all are done or a signal comes."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from filelock import FileLock

from ..training.signals import StopRequest
from .claims import claim
from .plan import Run
from .state import is_done, mark_done
from .worker import Worker

_PAUSE = 0.2
_PATIENCE = 120.0
"""Seconds that trainings have to save their state when asked to stop."""


@dataclass
class Outcome:
    """What became of the runs, by name.

    Attributes:
        done: trained now or before.
        failed: those that could not be trained, and why.
        stopped_by: the signal that ended it.
    """

    done: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    stopped_by: int | None = None


@dataclass
class _Active:
    worker: Worker
    lock: FileLock
    slot: int
    since: float


Watch = Callable[[Sequence[Run]], None]
"""Called with the runs in training some times a second."""


def train_all(
    runs: Sequence[Run],
    jobs: int,
    tell: Callable[[str], None],
    watch: Watch = lambda runs: None,
) -> Outcome:
    """Train what is not done of ``runs``, ``jobs`` at a time; one that fails leaves the others be.

    A run that another process trains is left to it and waited for.

    Args:
        runs: in the order of their training.
        jobs: how many at once.
        tell: takes lines for a person.
        watch: follows the trainings, for a progress display.
    """
    waiting, outcome, told = list(runs), Outcome(), False
    active: list[_Active] = []
    with StopRequest(lambda name: tell(f"{name}: the trainings save and stop ...")) as stop:
        try:
            while (waiting or active) and stop.signal is None:
                waiting = _begin(waiting, active, jobs, outcome, tell)
                if waiting and not active and not told:
                    tell(f"waiting for {len(waiting)} runs that another process trains.")
                    told = True
                _collect(active, jobs, outcome, tell)
                watch([one.worker.run for one in active])
                time.sleep(_PAUSE)
        finally:
            _stop(active, jobs, outcome)
        outcome.stopped_by = stop.signal
    return outcome


def _begin(
    waiting: list[Run],
    active: list[_Active],
    jobs: int,
    outcome: Outcome,
    tell: Callable[[str], None],
) -> list[Run]:
    """Start as many as there is room for; the runs that still wait."""
    left: list[Run] = []
    for run in waiting:
        if is_done(run):
            outcome.done.append(run.name)
        elif len(active) >= jobs or (lock := claim(run)) is None:
            left.append(run)
        elif is_done(run):  # by another process, just before the lock
            lock.release()
            outcome.done.append(run.name)
        else:
            slot = min(set(range(jobs)) - {one.slot for one in active})
            tell(f"{run.name}: training ...")
            worker = Worker(run, environment(slot, jobs))
            active.append(_Active(worker, lock, slot, time.monotonic()))
    return left


def _collect(
    active: list[_Active], jobs: int, outcome: Outcome, tell: Callable[[str], None]
) -> None:
    """Take the trainings that have ended out of ``active``."""
    for one in list(active):
        code = one.worker.poll()
        if code is None:
            continue
        run = one.worker.run
        active.remove(one)
        if code == 0:
            mark_done(run, jobs)
            outcome.done.append(run.name)
            tell(f"{run.name}: done after {_duration(time.monotonic() - one.since)}")
        else:
            outcome.failed[run.name] = one.worker.problem()
            tell(f"{run.name}: failed: {outcome.failed[run.name]}")
        one.lock.release()


def _stop(active: list[_Active], jobs: int, outcome: Outcome) -> None:
    """Let every training save and end; those that take too long are ended."""
    for one in active:
        one.worker.stop()
    limit = time.monotonic() + _PATIENCE
    try:
        while any(one.worker.poll() is None for one in active) and time.monotonic() < limit:
            time.sleep(_PAUSE)
    finally:  # also after a second signal, which does not wait
        for one in active:
            if one.worker.poll() is None:
                one.worker.kill()
            elif one.worker.poll() == 0:
                mark_done(one.worker.run, jobs)
                outcome.done.append(one.worker.run.name)
            one.lock.release()


def environment(slot: int, jobs: int) -> dict[str, str]:
    """What a training among ``jobs`` is told: its share of the cores, its GPU of several."""
    found = {}
    if jobs > 1 and "OMP_NUM_THREADS" not in os.environ:
        found["OMP_NUM_THREADS"] = str(max(1, _cores() // jobs))
    visible = _gpus()
    if len(visible) > 1:
        found["CUDA_VISIBLE_DEVICES"] = visible[slot % len(visible)]
    return found


def _gpus() -> list[str]:
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return [name for name in named.split(",") if name.strip()]
    import torch

    return [str(index) for index in range(torch.cuda.device_count())]


def _cores() -> int:
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
