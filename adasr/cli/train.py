"""Commands around a training: ``train``, ``check``, ``cache`` and ``plot``."""

from __future__ import annotations

import atexit
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from .app import OptionsFile, Overrides, app, read_options


class XAxis(StrEnum):
    """What ``adasr plot`` draws curves over."""

    ITERATIONS = "iterations"
    TIME = "time"


@app.command()
def train(
    opt: OptionsFile,
    auto_resume: Annotated[
        bool,
        typer.Option(
            "--auto-resume",
            "--auto_resume",
            help="go on from the last saved state, if there is one",
        ),
    ] = False,
    overrides: Overrides = None,
) -> int:
    """Train a network as an option YAML says."""
    from ..training.cache import build_cache, wants_cache
    from ..training.processes import launched_sharding, leave_group
    from ..training.run import run_training

    launched_sharding()  # refuses what cannot be done, before anything is read
    options = read_options(opt, overrides)
    notes = build_cache(options) if wants_cache(options) else []
    result = run_training(options, auto_resume, notes=notes)
    atexit.register(leave_group)  # not now: whoever called may train again
    return 0 if result.stopped_by is None else 128 + result.stopped_by


@app.command()
def check(opt: OptionsFile, overrides: Overrides = None) -> int:
    """Find everything that can fail before training: options, files, pairs, sizes, memory."""
    from ..training.check import check_training

    return 0 if check_training(read_options(opt, overrides), typer.echo) else 1


@app.command()
def cache(opt: OptionsFile, overrides: Overrides = None) -> None:
    """Build the cache of decoded images that an option YAML's training set asks for."""
    from ..training.cache import build_cache

    build_cache(read_options(opt, overrides))


@app.command()
def plot(
    runs: Annotated[
        list[Path],
        typer.Argument(metavar="RUN...", help="experiments' folders, or folders of experiments"),
    ],
    target: Annotated[Path, typer.Option("-o", "--output", help=".png, .svg or .pdf file")] = Path(
        "curves.png"
    ),
    metrics: Annotated[
        list[str] | None,
        typer.Option("--metrics", help="metric to draw, e.g. psnr or val/psnr; all by default"),
    ] = None,
    recipes: Annotated[
        bool, typer.Option("--recipes", help="a thin line for each recipe too")
    ] = False,
    x: Annotated[
        XAxis, typer.Option("--x", help="iterations, or hours of training")
    ] = XAxis.ITERATIONS,
    smooth: Annotated[
        float, typer.Option(min=0, max=0.999, help="weight of the moving average, as TensorBoard's")
    ] = 0.8,
    log_x: Annotated[bool, typer.Option("--logx", help="logarithmic x axis")] = False,
) -> int:
    """Draw the curves of one or several trainings, running or done, into one picture."""
    from ..training.plot import plot_runs

    drawn = plot_runs(runs, target, metrics or (), x.value, recipes, smooth, log_x, typer.echo)
    return 0 if drawn else 1
