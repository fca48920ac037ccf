"""A benchmark from weights and folders to files."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from ..report import Picture, write_report
from ..results import Results
from .files import locked, write_files
from .models import ModelFile
from .pictures import candidates, choose, make_pictures
from .plan import Settings, make_plan
from .run import Outcome, score
from .scorer import Progress
from .sets import Sources


def run_benchmark(
    models: Sequence[ModelFile],
    data: Sequence[Path],
    recipes: Sequence[str],
    metrics: Sequence[str] | None,
    out: Path,
    *,
    pairs: Sequence[tuple[Path, Path]] = (),
    real: Sequence[Path] = (),
    pictures: int = 12,
    settings: Settings | None = None,
    title: str = "",
    ranking: bool = False,
    tell: Callable[[str], None] = print,
    progress: Progress | None = None,
    stop: threading.Event | None = None,
) -> Results:
    """Score networks, and bicubic interpolation, on test sets, and write what comes of it.

    ``out`` gets ``results.json`` (everything, with the protocol), ``scores.csv`` (a line a score),
    ``results.md`` and ``report.html``. Scores that an earlier run into ``out`` took of the same
    weights and pixels under the same protocol, with the same versions, are taken over.

    Args:
        models: the weights; their groups are the seeds of one configuration.
        data: folders of GT images, each degraded by each recipe.
        recipes: names of test recipes and of groups of them.
        metrics: by name, e.g. ``psnr``, ``ssim_y``, ``lpips:net=vgg``; None for the usual ones.
        out: folder for the results.
        pairs: folders of LQ images and of their GT images.
        real: folders of images without ground truth, for metrics that need none.
        pictures: how many images the report shows.
        settings: how it is run.
        title: of the report.
        ranking: whether the report ranks the models.
        tell: takes lines for a person.
        progress: is told how far it is.
        stop: ends the run after the current image once it is set.

    Returns:
        The results. ``about["complete"]`` tells whether the run came to its end; images that could
        not be scored are in the evaluations' ``failures``.

    Raises:
        AdasrError: nothing can be scored, or the disk is full; the message says why.
    """
    outcome = benchmark(
        models,
        Sources(data, pairs, real),
        recipes,
        metrics,
        out,
        pictures,
        settings or Settings(),
        title,
        ranking,
        tell,
        progress or Progress(),
        stop or threading.Event(),
    )
    if outcome.ended is not None:
        raise outcome.ended
    return outcome.results


def benchmark(
    models: Sequence[ModelFile],
    sources: Sources,
    recipes: Sequence[str],
    metrics: Sequence[str] | None,
    out: Path,
    pictures: int,
    settings: Settings,
    title: str,
    ranking: bool,
    tell: Callable[[str], None],
    progress: Progress,
    stop: threading.Event,
) -> Outcome:
    """As ``run_benchmark``; tells also of a run that ended early."""
    plan = make_plan(models, sources, recipes, metrics, settings, tell)
    with locked(out):
        outcome = score(plan, out, tell, progress, stop)
        results = outcome.results
        if results.evaluations:
            write_files(results, out)
            shown = [] if outcome.stopped else _pictures(outcome, pictures, settings, stop)
            write_report(results, out, shown, title or _title(results), ranking)
    return outcome


def _pictures(
    outcome: Outcome, count: int, settings: Settings, stop: threading.Event
) -> list[Picture]:
    return make_pictures(
        choose(candidates(outcome.results, outcome.sets), count),
        outcome.sets,
        outcome.plan.contestants,
        outcome.plan.scale,
        outcome.plan.device,
        settings.precision,
        stop,
    )


def _title(results: Results) -> str:
    return ", ".join(dataset.name for dataset in results.datasets)
