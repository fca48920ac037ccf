"""``adasr plot``: the curves of several runs in one picture."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter

from ..errors import OptionError, TrainingError, did_you_mean
from ..files import atomic_path
from .curves import Curve, Run, load_runs, smooth

XAxis = Literal["iterations", "time"]
FORMATS = (".png", ".svg", ".pdf")

# Okabe and Ito's colours, told apart by colour-blind people too, without the yellow that a white
# ground swallows. Line styles tell more runs apart.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_STYLES = ("-", "--", ":", "-.")
_COLUMNS, _WIDTH, _HEIGHT = 3, 4.6, 2.9  # panels a row; inches of a panel
_LW = 1.6
_FEW = 25  # points that are marked one by one
_WIDE = 10  # a loss that falls by more than this factor gets a logarithmic axis

_TITLES = {
    "lr": "learning rate",
    "iterations_per_second": "speed (iterations / s)",
    "data_wait": "time spent waiting for data",
    "degradation": "time spent on degradation",
    "memory_mib": "main memory (MiB)",
    "device_memory_mib": "device memory (MiB)",
}
_NOISY = ("iterations_per_second", "data_wait", "degradation")
_SHARES = ("data_wait", "degradation")
_FROM_ZERO = (*_SHARES, "memory_mib", "device_memory_mib")


@dataclass(frozen=True)
class Look:
    """How curves are drawn.

    Attributes:
        x: iterations, or hours of training.
        recipes: draw a thin line for every recipe of a test set.
        smoothing: weight of the moving average of what is noisy, in [0, 1).
        log_x: a logarithmic x axis.
    """

    x: XAxis = "iterations"
    recipes: bool = False
    smoothing: float = 0.8
    log_x: bool = False


def plot_runs(
    paths: Iterable[Path],
    target: Path,
    metrics: Sequence[str] = (),
    x: XAxis = "iterations",
    recipes: bool = False,
    smoothing: float = 0.8,
    log_x: bool = False,
    tell: Callable[[str], None] = print,
) -> bool:
    """Draw losses, scores, learning rate, site weights, speed and memory of runs into one file.

    Args:
        paths: experiments' folders, or folders of experiments.
        target: .png, .svg or .pdf file; whole or not there.
        metrics: validation metrics to draw, e.g. ``psnr`` or ``Set5/psnr``; none: all.
        x: see ``Look``; so are ``recipes``, ``smoothing`` and ``log_x``.
        recipes: see ``Look``.
        smoothing: see ``Look``.
        log_x: see ``Look``.
        tell: takes lines for a person.

    Returns:
        Whether every run could be drawn; those that could not are told.

    Raises:
        OptionError: an unknown file format or metric, or a weight out of range.
        TrainingError: no run can be drawn.
        OSError: the file cannot be written.
    """
    if target.suffix.lower() not in FORMATS:
        raise OptionError(f"cannot draw to '{target}'.", hint=f"Use {', '.join(FORMATS)}.")
    if not 0 <= smoothing < 1:
        raise OptionError(f"must be in [0, 1), got {smoothing}.", ("smoothing",))
    runs, failed = load_runs(paths, tell)
    if x == "time":
        for run in [run for run in runs if run.hours(np.zeros(1)) is None]:
            tell(f"{run.name}: no speed is logged, so it has no place on an axis of time.")
            runs.remove(run)
            failed += 1
    if not runs:
        raise TrainingError("there is no run to draw.")
    figure = draw(runs, metrics, Look(x, recipes, smoothing, log_x))
    with atomic_path(target) as temporary:
        figure.savefig(temporary, dpi=130)
    tell(f"{target}: {len(runs)} {'run' if len(runs) == 1 else 'runs'}")
    return not failed


def draw(runs: Sequence[Run], metrics: Sequence[str] = (), look: Look | None = None) -> Figure:
    """The figure of ``plot_runs``: a panel for everything that at least one of ``runs`` logged.

    Raises:
        OptionError: none of ``metrics`` is what is asked for.
    """
    look = look or Look()
    scores = _scores(runs, metrics)
    keys = list(dict.fromkeys(key for run in runs for key in run.keys("train")))
    losses = [key for key in keys if key not in _TITLES]
    measures = [key for key in _TITLES if key in keys]
    panels = [*losses, *scores, *measures]
    weighted = any(run.weights() for run in runs)
    count = len(panels) + weighted
    columns = max(1, min(_COLUMNS, count))
    rows = max(1, -(-count // columns))
    # A figure of its own: pyplot would keep it, and choose a window system.
    figure = Figure((columns * _WIDTH, rows * _HEIGHT + 0.5), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False, sharex=True).flatten()
    for unused in grid[count:]:
        unused.remove()
    places = iter(grid)
    for key in losses:
        _draw_train(next(places), runs, key, look)
    for key in scores:
        _draw_score(next(places), runs, key, look)
    for key in measures:
        _draw_train(next(places), runs, key, look)
        if key == "lr" and weighted:
            _draw_weights(next(places), runs, look)
            weighted = False
    if weighted:
        _draw_weights(next(places), runs, look)
    if figure.axes and not look.log_x:
        figure.axes[0].set_xlim(left=0)  # of all: they share their x axis
    _add_legend(figure, runs)
    return figure


def _scores(runs: Sequence[Run], metrics: Sequence[str]) -> list[str]:
    """The wanted ``dataset/metric`` of all runs."""
    known = [key for run in runs for key in run.keys("val") if key.count("/") == 1]
    known = list(dict.fromkeys(known))
    for wanted in metrics:
        if not any(wanted in (key, key.split("/")[1]) for key in known):
            labels = [*dict.fromkeys(key.split("/")[1] for key in known), *known]
            hint = did_you_mean(wanted, labels) or "These runs have no validation."
            raise OptionError(f"no run has the metric '{wanted}'.", hint=hint)
    return [k for k in known if not metrics or k in metrics or k.split("/")[1] in metrics]


def _draw_train(axes: Axes, runs: Sequence[Run], key: str, look: Look) -> None:
    noisy = key in _NOISY or key not in _TITLES
    lowest, highest = np.inf, 0.0
    for index, run in enumerate(runs):
        curve = run.curve("train", key)
        if noisy and look.smoothing and len(curve.y) > 2:
            _line(axes, run, index, curve, look, lw=0.6, alpha=0.3, label="_raw")
            curve = Curve(curve.x, smooth(curve.y, look.smoothing))
        _line(axes, run, index, curve, look, lw=_LW if noisy else _broad(index, runs))
        if len(curve.y):
            lowest, highest = min(lowest, curve.y.min()), max(highest, curve.y.max())
    if key not in _TITLES and lowest > 0 and highest > _WIDE * lowest:
        axes.set_yscale("log")
    if key in _FROM_ZERO:
        axes.set_ylim(0, 1.08 * max(axes.dataLim.ymax, 0.1))
    if key in _SHARES:
        axes.yaxis.set_major_formatter(lambda share, _: f"{100 * share:.3g}%")
    if key == "lr":
        axes.ticklabel_format(axis="y", scilimits=(-2, 4))
        axes.yaxis.get_offset_text().set_fontsize(8)
    _finish(axes, _TITLES.get(key, key), look)


def _draw_score(axes: Axes, runs: Sequence[Run], key: str, look: Look) -> None:
    dataset, metric = key.split("/")
    ends: dict[str, list[float]] = {}
    for index, run in enumerate(runs):
        _line(axes, run, index, run.curve("val", key), look)
        for other in run.keys("val") if look.recipes else ():
            parts = other.split("/")
            if len(parts) > 2 and (parts[0], parts[-1]) == (dataset, metric):
                curve = run.curve("val", other)
                _line(axes, run, index, curve, look, lw=0.8, alpha=0.6, ms=1.5, label="_recipe")
                ends.setdefault("/".join(parts[1:-1]), []).extend(curve.y[-1:])
    _finish(axes, f"{metric} on {dataset}", look)
    _label_ends(axes, {recipe: float(np.mean(y)) for recipe, y in ends.items() if y})


def _draw_weights(axes: Axes, runs: Sequence[Run], look: Look) -> None:
    """The mean over the sites, and each of them as a thin line."""
    for index, run in enumerate(runs):
        sites = run.weights()
        for site in sites:
            _line(axes, run, index, site, look, lw=0.6, alpha=0.35, ms=0, label="_site")
        if sites:
            mean = Curve(sites[0].x, np.mean([site.y for site in sites], axis=0))
            _line(axes, run, index, mean, look, lw=_broad(index, runs))
    axes.set_ylim(-0.04, 1.04)
    _finish(axes, "weights of the sites and their mean", look)


def _line(
    axes: Axes,
    run: Run,
    index: int,
    curve: Curve,
    look: Look,
    lw: float = _LW,
    alpha: float = 1.0,
    ms: float = 3.0,
    label: str | None = None,
) -> None:
    x = curve.x if look.x == "iterations" else run.hours(curve.x)
    if x is None or not len(x):
        return
    axes.plot(
        x,
        curve.y,
        _STYLES[index // len(COLORS) % len(_STYLES)],
        color=COLORS[index % len(COLORS)],
        lw=lw,
        alpha=alpha,
        marker="o" if len(x) <= _FEW and ms else None,
        ms=ms,
        label=run.name if label is None else label,
    )


def _broad(index: int, runs: Sequence[Run]) -> float:
    """A line width by which runs whose curves are the same stay visible below one another."""
    return _LW + 1.4 * min(len(runs) - 1 - index, 5)


def _label_ends(axes: Axes, ends: dict[str, float]) -> None:
    """Names at the right of the lines they mean, moved apart where they would overlap."""
    low, high = axes.get_ylim()
    names = sorted(ends, key=ends.__getitem__)
    # In units of the smallest distance; the mean of moving up and moving down keeps it.
    places = np.array([ends[name] for name in names]) / (0.062 * (high - low))
    steps = np.arange(len(names))
    up = np.maximum.accumulate(places - steps) + steps
    down = np.minimum.accumulate((places - steps)[::-1])[::-1] + steps
    for name, place in zip(names, (up + down) / 2 * 0.062 * (high - low), strict=True):
        axes.annotate(
            name,
            (1.01, place),
            xycoords=("axes fraction", "data"),
            va="center",
            fontsize=6.5,
            color="#444444",
            annotation_clip=False,
        )


def _finish(axes: Axes, title: str, look: Look) -> None:
    axes.set_title(title, fontsize=10)
    axes.grid(color="#e4e4e4", lw=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8, labelbottom=True)
    if look.log_x:
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_minor_formatter(NullFormatter())
    if look.x == "iterations":
        axes.set_xlabel("iteration", fontsize=8)
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    else:
        axes.set_xlabel("hours of training", fontsize=8)
        axes.xaxis.set_major_formatter("{x:g}")


def _add_legend(figure: Figure, runs: Sequence[Run]) -> None:
    """One for all panels, below them."""
    handles = {}
    for axes in figure.axes:
        for handle, name in zip(*axes.get_legend_handles_labels(), strict=True):
            handles.setdefault(name, handle)
    names = [run.name for run in runs if run.name in handles]
    longest = max((len(name) for name in names), default=1)
    figure.legend(
        [handles[name] for name in names],
        names,
        loc="outside lower center",
        ncols=max(1, min(len(names), int(figure.get_figwidth() * 11 / (longest + 8)))),
        frameon=False,
        fontsize=9,
    )
