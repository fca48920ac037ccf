"""How the figures look: as ``adasr plot`` draws, readable on paper, for colour-blind people too."""

from __future__ import annotations

from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..files import atomic_path
from ..training.plot import COLORS as CURVES

COLORS = (*CURVES, "#999999")  # eight: the papers' test degradations
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
_WIDTH, _HEIGHT, _COLUMNS = 4.2, 3.3, 3  # inches of a panel; panels a row


def panels(
    count: int, rows: int = 1, sharey: bool = False, height: float = _HEIGHT
) -> tuple[Figure, list[Axes]]:
    """A figure with ``count`` panels.

    With several rows, ``count`` stand in each and the list goes row by row; else as many rows as
    needed, and panels that are left over are taken away.
    """
    columns = count if rows > 1 else min(count, _COLUMNS)
    lines = rows if rows > 1 else -(-count // columns)
    # A figure of its own: pyplot would keep it, and choose a window system.
    figure = Figure((max(columns * _WIDTH, 5.4), lines * height + 0.5), layout="constrained")
    grid = figure.subplots(lines, columns, squeeze=False, sharey="row" if sharey else False)
    flat = list(np.asarray(grid).flatten())
    for unused in flat[count * rows :]:
        unused.remove()
    return figure, flat[: count * rows]


def finish(axes: Axes, title: str, x_label: str = "", y_label: str = "") -> None:
    """Title, labels and a quiet grid."""
    axes.set_title(title, fontsize=9)
    axes.grid(color="#e4e4e4", lw=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8)
    if x_label:
        axes.set_xlabel(x_label, fontsize=8)
    if y_label:
        axes.set_ylabel(y_label, fontsize=8)


def legend_below(figure: Figure, widest: int | None = None) -> None:
    """One legend for all panels, below them."""
    handles = {}
    for axes in figure.axes:
        for handle, name in zip(*axes.get_legend_handles_labels(), strict=True):
            handles.setdefault(name, handle)
    if not handles:
        return
    longest = max(len(name) for name in handles) + 8
    columns = max(1, min(len(handles), int(figure.get_figwidth() * 13 / longest)))
    figure.legend(
        list(handles.values()),
        list(handles),
        loc="outside lower center",
        ncols=columns if widest is None else min(columns, widest),
        frameon=False,
        fontsize=8.5,
    )


def save(figure: Figure, target: Path) -> list[Path]:
    """Write ``target`` as .png and .svg; the same figure gives the same files.

    Raises:
        OSError: the place cannot be written.
    """
    written = []
    for suffix in (".png", ".svg"):
        path = target.with_suffix(suffix)
        metadata = {"Date": None} if suffix == ".svg" else {"Software": None}
        with matplotlib.rc_context({"svg.hashsalt": target.name}), atomic_path(path) as temporary:
            figure.savefig(temporary, dpi=130, metadata=metadata)
        written.append(path)
    return written
