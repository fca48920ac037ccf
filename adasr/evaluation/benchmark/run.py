"""A plan carried out: test sets opened, scores taken, results put together."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from ...errors import AdasrError
from ..results import Results
from ..testsets import default_cache
from .about import about_run
from .journal import Journal
from .plan import Plan, Tell
from .saved import SavedImages
from .scorer import Ended, Progress, Scorer
from .sets import TestData, degraded, paired, real


@dataclass
class Outcome:
    """What a run found out.

    Attributes:
        results: all of it; of an unfinished run what was scored.
        sets: the images.
        plan: what was to be done.
        ended: why it ended early; None when it did not, or a person wanted it.
        stopped: whether it ended early.
    """

    results: Results
    sets: list[TestData]
    plan: Plan
    ended: AdasrError | None = None
    stopped: bool = False


def score(plan: Plan, out: Path, tell: Tell, progress: Progress, stop: threading.Event) -> Outcome:
    """Carry out ``plan``; scores are kept in ``out``.

    Raises:
        AdasrError: a test set cannot be used.
        KeyboardInterrupt: ``stop`` was set before the first score.
    """
    began = time.monotonic()
    settings = plan.settings
    with Journal(out, settings.fresh) as journal, exact(settings.precision):
        try:
            sets = open_sets(plan, tell, progress, stop)
        except Ended:
            raise KeyboardInterrupt from None  # nothing is scored that could be shown
        saved = SavedImages(out / "images") if settings.save_images else None
        scorer = Scorer(plan, sets, journal, saved, tell, progress, stop)
        ended = scorer.all()
        evaluations = scorer.evaluations()
    scored = {e.model for e in evaluations}
    results = Results(
        scale=plan.scale,
        models=[one.model for one in plan.contestants if one.model.name in scored],
        datasets=[one.info for one in sets],
        recipes=plan.described,
        evaluations=evaluations,
        about=about_run(
            command=settings.command,
            device=plan.device,
            precision=settings.precision,
            seconds=time.monotonic() - began,
            complete=ended is None,
            taken_over=scorer.taken_over,
            missing=plan.scoring.missing,
            presumed=plan.presumed,
        ),
    )
    reason = ended.reason if ended is not None else None
    return Outcome(results, sets, plan, reason, ended is not None)


def open_sets(plan: Plan, tell: Tell, progress: Progress, stop: threading.Event) -> list[TestData]:
    """The test sets of ``plan``; images that cannot be used are told.

    Raises:
        AdasrError: a set holds no image that can be used.
        Ended: ``stop`` was set.
    """
    sources, scale = plan.sources, plan.scale
    cache = plan.settings.cache or default_cache()
    left = iter(sources.names())

    def on_done(done: int, total: int) -> None:
        progress.prepared(name, done, total)
        if stop.is_set():
            raise Ended()

    sets = []
    for root in sources.data:
        name = next(left)
        sets.append(degraded(root, name, plan.recipes, scale, cache, on_done, tell))
    for lq, gt in sources.pairs:
        name = next(left)
        sets.append(paired(lq, gt, name, scale, on_done))
    for root in sources.real:
        name = next(left)
        sets.append(real(root, name, on_done))
    for one in sets:
        for place, problem in one.problems.items():
            tell(f"failed: {one.info.name}, {place}: {problem}")
    return sets


@contextlib.contextmanager
def exact(precision: str) -> Iterator[None]:
    """Float32 that is float32: GPUs would round the factors of convolutions to 10 bits (TF32)."""
    if precision != "fp32" or not torch.cuda.is_available():
        yield
        return
    held = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = held
