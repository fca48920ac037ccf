"""The headline figures of a benchmark as a table on the console."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from .results import Results
from .statistics import Interval, Summary, summarize

if TYPE_CHECKING:
    from rich.table import Table

_DIGITS = {"psnr": 2, "psnr_y": 2}


def headline_table(results: Results, metric: str) -> Table:
    """Mean, seen, unseen, gap and worst recipe of every group of models under one metric.

    The best of each column is bold; means have their 95 % intervals behind them.
    """
    from rich.markup import escape
    from rich.table import Table

    summaries = summarize(results, metric)
    higher = summaries[0].higher_is_better
    table = Table(title=escape(f"{metric} {'↑' if higher else '↓'}, with 95 % intervals"))
    table.add_column("model", overflow="fold")
    parts = {"mean": "mean", "seen": "seen", "unseen": "unseen", "gap": "gap ↓"}
    shown = {k: v for k, v in parts.items() if any(getattr(s, k) is not None for s in summaries)}
    for title in shown.values():
        table.add_column(title, justify="right")
    has_worst = len(results.recipes) > 1
    if has_worst:
        table.add_column("worst recipe", overflow="fold")
    digits = _DIGITS.get(metric, 4)
    best = {part: _best(summaries, part, higher and part != "gap") for part in shown}
    for summary in summaries:
        cells = [escape(_title(summary))]
        for part in shown:
            cell = escape(_cell(getattr(summary, part), digits))
            cells.append(f"[bold]{cell}[/bold]" if summary.name in best[part] else cell)
        if has_worst:
            worst = "" if summary.worst is None else f" {_number(summary.worst.mean, digits)}"
            cells.append(escape(f"{summary.worst_recipe or '-'}{worst}"))
        table.add_row(*cells)
    return table


def _title(summary: Summary) -> str:
    count = len(summary.models)
    return summary.name if count == 1 else f"{summary.name} ({count} seeds)"


def _best(summaries: Sequence[Summary], part: str, higher: bool) -> set[str]:
    means = {s.name: i.mean for s in summaries if (i := getattr(s, part)) is not None}
    known = [mean for mean in means.values() if not math.isnan(mean)]
    if len(known) < 2:
        return set()
    top = max(known) if higher else min(known)
    return {name for name, mean in means.items() if mean == top}


def _cell(interval: Interval | None, digits: int) -> str:
    if interval is None:
        return "-"
    mean = _number(interval.mean, digits)
    if not (math.isfinite(interval.low) and math.isfinite(interval.high)):
        return mean
    half = (interval.high - interval.low) / 2
    return f"{mean} ±{half:.{digits}f}"


def _number(value: float, digits: int) -> str:
    return f"{value:.{digits}f}" if math.isfinite(value) else str(value)
