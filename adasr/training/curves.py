"""Runs as curves: what ``metrics.jsonl`` holds, as arrays over iterations or hours."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .log import whole_records

METRICS_FILE = "metrics.jsonl"
_NO_CURVE = ("iteration", "time")


@dataclass(frozen=True)
class Curve:
    """Points of equal number, sorted by ``x``; values that are not finite are left out."""

    x: np.ndarray
    y: np.ndarray


@dataclass(frozen=True)
class Run:
    """The records of one training, sorted by iteration.

    Attributes:
        name: what the run is called in a legend.
        train: records of the kind "train".
        val: records of the kind "val".
    """

    name: str
    train: Sequence[dict[str, Any]]
    val: Sequence[dict[str, Any]]

    def keys(self, kind: str) -> list[str]:
        """What the records hold of finite numbers, in order of first appearance."""
        records = self.train if kind == "train" else self.val
        found = dict.fromkeys(
            k for r in records for k, v in r.items() if _is_number(v) and math.isfinite(v)
        )
        return [key for key in found if key not in _NO_CURVE]

    def curve(self, kind: str, key: str) -> Curve:
        """The numbers under ``key`` over iterations; without a point where there are none."""
        records = self.train if kind == "train" else self.val
        points = [(r["iteration"], r[key]) for r in records if _is_number(r.get(key))]
        x, y = np.array(points, float).reshape(-1, 2).T
        finite = np.isfinite(y)
        return Curve(x[finite], y[finite])

    def weights(self) -> list[Curve]:
        """The weight of each site over iterations, from input to output."""
        rows: list[tuple[float, list[float]]] = []
        for record in self.train:
            held = record.get("weights")
            values = list(held.values()) if isinstance(held, dict) else held
            # A run goes on with the sites it had; another number could not be told apart.
            if isinstance(values, list) and values and (not rows or len(values) == len(rows[0][1])):
                rows.append((record["iteration"], [float(v) for v in values]))
        x = np.array([iteration for iteration, _ in rows], float)
        table = np.array([values for _, values in rows], float)
        return [Curve(x, column) for column in table.T] if rows else []

    def hours(self, iterations: np.ndarray) -> np.ndarray | None:
        """Hours of training up to each of ``iterations``, without validation and interruptions.

        They are the sum of the logged speeds; None where no speed was logged.
        """
        speed = self.curve("train", "iterations_per_second")
        moving = speed.y > 0
        if not moving.any():
            return None
        x, y = speed.x[moving], speed.y[moving]
        spent = np.cumsum(np.diff(x, prepend=0.0) / y) / 3600
        return np.interp(iterations, np.append(0.0, x), np.append(0.0, spent))


def smooth(values: np.ndarray, weight: float) -> np.ndarray:
    """The moving average that TensorBoard shows: exponential, corrected at its start.

    Args:
        values: (n,), finite.
        weight: of what was before, in [0, 1); 0 gives ``values``.
    """
    smoothed, average, total = np.empty(len(values)), 0.0, 0.0
    for i, value in enumerate(values):
        average = weight * average + (1 - weight) * value
        total = weight * total + (1 - weight)
        smoothed[i] = average / total
    return smoothed


def load_runs(paths: Iterable[Path], tell: Callable[[str], None]) -> tuple[list[Run], int]:
    """The runs below ``paths`` that can be drawn, and how many could not.

    Args:
        paths: experiments' folders, or folders of experiments: of these all are taken but the
            ones that a newer run of the same name has moved aside.
        tell: takes a line for each run that is left out, and for broken lines.
    """
    folders: list[Path] = []
    failed = 0
    for path in paths:
        found, problem = _experiments(path)
        folders += found
        if problem:
            tell(f"{path}: {problem}")
            failed += 1
    folders = list(dict.fromkeys(folders))
    runs = []
    for folder, name in zip(folders, unique_names(folders), strict=True):
        records, broken = whole_records(folder)
        if broken:
            lines = "line is" if broken == 1 else "lines are"
            tell(f"{folder / METRICS_FILE}: {broken} {lines} cut off or damaged and left out.")
        run = Run(name, _sorted(records, "train"), _sorted(records, "val"))
        if run.keys("train") or run.keys("val"):
            runs.append(run)
        else:
            tell(f"{folder}: holds no metrics yet; it has some after logger.print_freq iterations.")
            failed += 1
    return runs, failed


def unique_names(folders: Sequence[Path]) -> list[str]:
    """The folders' names, with as many of their parents as it takes to tell them apart."""
    names = [""] * len(folders)
    depth = dict.fromkeys(range(len(folders)), 1)
    while True:
        for index, folder in enumerate(folders):
            names[index] = "/".join(folder.parts[-depth[index] :])
        same = [
            i
            for i, name in enumerate(names)
            if names.count(name) > 1 and depth[i] < len(folders[i].parts)
        ]
        if not same:
            return names
        for index in same:
            depth[index] += 1


def _experiments(path: Path) -> tuple[list[Path], str]:
    """The experiments' folders that ``path`` means, or what is wrong with it."""
    folder = path.expanduser().resolve()
    if folder.name == METRICS_FILE:
        folder = folder.parent
    if (folder / METRICS_FILE).is_file():
        return [folder], ""
    if not folder.is_dir():
        return [], "there is no such folder."
    inside = sorted(p.parent for p in folder.glob(f"*/{METRICS_FILE}"))
    inside = [p for p in inside if "_archived_" not in p.name]
    problem = f"holds no {METRICS_FILE}. Name an experiment's folder, e.g. experiments/NAME."
    return inside, "" if inside else problem


def _sorted(records: Iterable[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    """The records of a kind, one an iteration: the later one where a run was repeated."""
    by_iteration = {r["iteration"]: r for r in records if r.get("kind") == kind}
    return [by_iteration[iteration] for iteration in sorted(by_iteration)]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
