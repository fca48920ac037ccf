"""The parts of the page that show one metric, as plain data for the template."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ..results import BICUBIC, Results
from ..statistics import Figures, Interval, Summary
from .findings import caveats, findings
from .markdown import p_text
from .views import MISSING, MetricView, best_of

_PLAIN_RECIPE = "as it is"


def metric_block(results: Results, view: MetricView, index: int, ranking: bool) -> dict[str, Any]:
    """Everything that the page shows of ``view``."""
    return {
        "index": index,
        "label": view.label,
        "title": view.title,
        "unit": view.unit,
        "protocols": view.protocols,
        "several_seeds": any(len(one.models) > 1 for one in view.summaries),
        "findings": findings(results, view),
        "caveats": caveats(results, view),
        "columns": _columns(view),
        "rows": _headline(view, ranking),
        "bars": _bars(view),
        "heat": _heat(results, view),
        "matrix": _matrix(view),
        "pairs": list(_pairs(view)),
        "datasets": list(_datasets(view)),
    }


def recipe_name(recipe: str) -> str:
    """What a recipe is called on the page."""
    return recipe or _PLAIN_RECIPE


def _columns(view: MetricView) -> list[tuple[str, str]]:
    columns = [
        ("Mean", "over all degradations"),
        ("Seen", "over degradations that every training had"),
        ("Unseen", "over degradations that no training had"),
        ("Gap", "how much worse unseen degradations are than seen ones"),
        ("Worst", "the degradation with the worst mean"),
    ]
    if view.has_gains:
        columns += [
            ("Gain, seen", "over bicubic interpolation; positive is better"),
            ("Gain, unseen", "over bicubic interpolation; positive is better"),
            ("Gain lost", "from seen to unseen degradations"),
            ("Least gain", "the degradation with the least gain over bicubic interpolation"),
        ]
    return columns


def _headline(view: MetricView, ranking: bool) -> list[dict[str, Any]]:
    rows = []
    for one in view.ordered() if ranking else view.summaries:
        cells = [_cell(view, i) for i in (one.mean, one.seen, one.unseen, one.gap)]
        cells.append(_worst(view, one.scores))
        if view.has_gains:
            gains = one.gains
            parts = (gains.seen, gains.unseen, gains.gap) if gains else (None,) * 3
            cells += [
                _cell(view, i, signed) for i, signed in zip(parts, (True, True, False), strict=True)
            ]
            cells.append(_worst(view, gains, True))
        several = len(one.models) > 1
        rows.append(
            {
                "name": one.name,
                "rank": view.rank(one.name),
                "base": BICUBIC in one.models,
                "note": _seeds_note(view, one) if several else "",
                "cells": cells,
            }
        )
    higher = view.higher_is_better
    _mark_best(rows, [higher, higher, higher, None, higher, True, True, None, True])
    return rows


def _seeds_note(view: MetricView, one: Summary) -> str:
    means = ", ".join(view.number(mean) for mean in one.seed_means)
    return f"{len(one.models)} seeds: {means}"


def _mark_best(rows: list[dict[str, Any]], directions: Sequence[bool | None]) -> None:
    for column, higher in enumerate(directions):
        if higher is None or not rows or column >= len(rows[0]["cells"]):
            continue
        best = best_of([row["cells"][column]["value"] for row in rows], higher)
        if best is not None:
            top = rows[best]["cells"][column]["value"]
            for row in rows:
                row["cells"][column]["best"] = row["cells"][column]["value"] == top


def _cell(view: MetricView, one: Interval | None, signed: bool = False) -> dict[str, Any]:
    """A number with its interval below."""
    if one is None or not (one.n or one.infinite or one.undefined):
        return {"text": MISSING, "note": "", "sort": "", "value": None, "best": False}
    exact = not one.n and one.infinite
    value = math.inf if exact else one.mean
    notes = [view.span(one, signed)]
    if one.infinite and not exact:
        notes.append(f"{one.infinite} × ∞ left out")
    return {
        "text": view.number(value, signed),
        "note": "; ".join(filter(None, notes)),
        "sort": _sort(value),
        "value": value,
        "best": False,
    }


def _worst(view: MetricView, figures: Figures | None, signed: bool = False) -> dict[str, Any]:
    cell = _cell(view, figures.worst if figures else None, signed)
    if figures and figures.worst_recipe is not None:
        cell["note"] = recipe_name(figures.worst_recipe)
    return cell


def _sort(value: float | None) -> str:
    """For the script: a number, or "" for what comes last."""
    if value is None or math.isnan(value):
        return ""
    return {math.inf: "Infinity", -math.inf: "-Infinity"}.get(value, f"{value:.6g}")


def _bars(view: MetricView) -> dict[str, Any]:
    """Gains over bicubic interpolation as bars from zero; without it scores as points."""
    gains = view.has_gains
    shown = []
    for one in view.ordered():
        figures = one.gains if gains else one.scores
        if figures is not None:
            parts = {"all": figures.mean, "seen": figures.seen, "unseen": figures.unseen}
            held = {kind: part for kind, part in parts.items() if part is not None}
            # One kind alone is the mean again.
            shown.append((one.name, {"all": figures.mean} if len(held) < 3 else held))
    ends = [
        end
        for _, parts in shown
        for part in parts.values()
        for end in (part.mean, part.low, part.high)
        if math.isfinite(end)
    ]
    start, stop, ticks = _axis([*ends, 0.0] if gains or not ends else ends)
    wide = 1000 / (stop - start)

    def at(value: float) -> float:
        return round((value - start) * wide, 2)

    rows = []
    for name, parts in shown:
        lines = []
        for kind, part in parts.items():
            known = math.isfinite(part.mean)
            zero, x = at(0.0 if gains else part.mean), at(part.mean) if known else None
            ends_known = part.known and known
            left, width = 0.0, 0.0
            if x is not None:
                left, width = (min(zero, x), abs(x - zero)) if gains else (x - 4, 8)
            unit = f" {view.unit}" if view.unit else ""
            text = f"{view.number(part.mean, gains)}{unit}, {view.span(part, gains)}".rstrip(", ")
            lines.append(
                {
                    "kind": kind,
                    "x": x,
                    "left": left,
                    "width": width,
                    "low": at(part.low) if ends_known else None,
                    "high": at(part.high) if ends_known else None,
                    "text": text,
                    "short": view.number(part.mean, gains),
                }
            )
        rows.append({"name": name, "lines": lines})
    what = "Gain over bicubic interpolation" if gains else view.title
    unit = f" in {view.unit}" if view.unit else ""
    return {
        "hint": f"{what}{unit}, best model first; whiskers are 95 % intervals.",
        "kinds": list(dict.fromkeys(kind for _, parts in shown for kind in parts)),
        "rows": rows,
        "zero": at(0.0) if gains else -10,
        "ticks": [(at(tick) / 10, text) for tick, text in ticks],
    }


def _axis(values: Sequence[float]) -> tuple[float, float, list[tuple[float, str]]]:
    """Ends and round ticks around ``values``."""
    low, high = min(values, default=0.0), max(values, default=1.0)
    if high - low < 1e-9:
        low, high = low - 0.5, high + 0.5
    raw = (high - low) / 4
    size = 10 ** math.floor(math.log10(raw))
    step = next(factor * size for factor in (1, 2, 2.5, 5, 10) if factor * size >= raw * 0.999)
    start, stop = math.floor(low / step) * step, math.ceil(high / step) * step
    # 2.5 has a digit of its own below its size.
    digits = max(0, -math.floor(math.log10(step)) + (step / size == 2.5))
    count = round((stop - start) / step)
    ticks = [start + i * step for i in range(count + 1)]
    return start, stop, [(t, f"{t:.{digits}f}".replace("-", "\N{MINUS SIGN}")) for t in ticks]


def _heat(results: Results, view: MetricView) -> dict[str, Any]:
    """Degradations x models: gains over bicubic, or without it distances to the row's mean."""
    table = view.table
    families = {info.name: info.families for info in results.recipes}
    columns = [one for one in view.summaries if one.gains or not view.has_gains]
    rows, sizes = [], []
    for place, (recipe, kind) in enumerate(zip(table.recipes, table.kinds, strict=True)):
        scores = [one.per_recipe.get(recipe) for one in columns]
        if view.has_gains:
            gains = [one.gains.per_recipe.get(recipe) if one.gains else None for one in columns]
            values = [part.mean if part else math.nan for part in gains]
        else:
            gains = [None] * len(columns)
            means = [part.mean if part else math.nan for part in scores]
            known = [value for value in means if math.isfinite(value)]
            middle = sum(known) / len(known) if known else math.nan
            values = [(v - middle) * (1 if view.higher_is_better else -1) for v in means]
        sizes += [abs(value) for value in values if math.isfinite(value)]
        rows.append((place, recipe, kind, scores, gains, values))
    # One outlier must not wash out the rest.
    limit = float(np.quantile(sizes, 0.95)) if sizes else 0.0
    limit = limit or 1.0
    unit = f" {view.unit}" if view.unit else ""
    what = "gain over bicubic interpolation" if view.has_gains else "distance to the row's mean"
    beyond = "" if not sizes or max(sizes) <= limit else " Colours end at the 95 % quantile."
    return {
        "gains": view.has_gains,
        "names": [one.name for one in columns],
        "low": f"{view.number(-limit, True)}{unit}",
        "high": f"{view.number(limit, True)}{unit}",
        "hint": f"Colour: {what}, blue is better, orange is worse.{beyond}",
        "rows": [
            {
                "order": place,
                "recipe": recipe_name(recipe),
                "families": ", ".join(families.get(recipe, ())),
                "kind": kind,
                "cells": [
                    _heat_cell(view, *cell, limit)
                    for cell in zip(scores, gains, values, strict=True)
                ],
            }
            for place, recipe, kind, scores, gains, values in rows
        ],
    }


def _heat_cell(
    view: MetricView, score: Interval | None, gain: Interval | None, value: float, limit: float
) -> dict[str, Any]:
    shown, gained = _cell(view, score), _cell(view, gain, True)
    parts = [f"{view.label} {shown['text']} ({shown['note']})"]
    if gain is not None:
        parts.append(f"gain {gained['text']} ({gained['note']})")
    return {
        "sign": _sign(value),
        "strength": _strength(value, limit),
        "gain": gained["text"],
        "score": shown["text"],
        "gain_sort": gained["sort"],
        "score_sort": shown["sort"],
        "title": "; ".join(parts).replace(" ()", ""),
    }


def _sign(value: float) -> str:
    return "up" if value > 0 else "down" if value < 0 else ""


def _strength(value: float, limit: float) -> float:
    return round(min(1.0, abs(value) / limit), 3) if math.isfinite(value) else 0.0


def _matrix(view: MetricView) -> dict[str, Any]:
    names = [one.name for one in view.ordered()]
    told = {
        (a, b): difference
        for a in names
        for b in names
        if a != b and (difference := view.difference(a, b)) is not None
    }
    sizes = [
        abs(one.mean)
        for pair, one in told.items()
        if math.isfinite(one.mean) and view.told_apart(*pair)
    ]
    limit = float(np.quantile(sizes, 0.95)) if sizes else 1.0
    rows = []
    for a in names:
        cells = []
        for b in names:
            one = told.get((a, b))
            if one is None:
                cells.append({"text": "", "sign": "", "strength": 0, "title": ""})
                continue
            sure = view.told_apart(a, b)
            cells.append(
                {
                    "text": view.number(one.mean, True),
                    "sign": _sign(one.mean) if sure else "",
                    "strength": _strength(one.mean, limit or 1.0),
                    "title": f"{a} − {b}: {view.span(one, True) or 'no interval'}",
                }
            )
        rows.append({"name": a, "cells": cells})
    return {"names": names, "rows": rows}


def _pairs(view: MetricView) -> Iterator[dict[str, Any]]:
    for first, second, pair in view.best_first():
        yield {
            "first": first,
            "second": second,
            "difference": _cell(view, pair.difference, True),
            "seeds": _cell(view, pair.over_seeds, True),
            "wins": pair.wins,
            "ties": pair.ties,
            "losses": pair.losses,
            "p": p_text(pair.p),
            "p_sort": _sort(pair.p),
            "told": "yes" if pair.distinguishable else "no",
        }


def _datasets(view: MetricView) -> Iterator[dict[str, Any]]:
    for dataset, summaries in view.datasets.items():
        rows = []
        for place, (recipe, kind) in enumerate(
            zip(view.table.recipes, view.table.kinds, strict=True)
        ):
            cells = [_cell(view, one.per_recipe.get(recipe)) for one in summaries]
            if any(cell["value"] is not None for cell in cells):
                rows.append(_dataset_row(view, recipe_name(recipe), kind, place, cells))
        if len(rows) > 1:
            for name, parts in (
                ("seen", [one.seen for one in summaries]),
                ("unseen", [one.unseen for one in summaries]),
                ("mean", [one.mean for one in summaries]),
            ):
                if any(parts):
                    cells = [_cell(view, part) for part in parts]
                    rows.append(_dataset_row(view, name, "", len(rows), cells) | {"total": True})
        n = max((one.mean.n for one in summaries), default=0)
        yield {
            "name": dataset,
            "note": f"{n} image{'' if n == 1 else 's'}",
            "names": [one.name for one in summaries],
            "rows": rows,
        }


def _dataset_row(
    view: MetricView, name: str, kind: str, order: int, cells: list[dict[str, Any]]
) -> dict[str, Any]:
    best = best_of([cell["value"] for cell in cells], view.higher_is_better)
    for cell in cells:
        cell["best"] = best is not None and cell["value"] == cells[best]["value"]
    return {"recipe": name, "kind": kind, "order": order, "cells": cells, "total": False}
