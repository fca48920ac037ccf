"""What a report shows of one metric: all figures taken once, for Markdown and HTML alike."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ..aligned import ScoreTable, score_table
from ..results import BICUBIC, Results
from ..statistics import CONFIDENCE, Interval, Paired, Summary, compare_all, ranks, summarize

MISSING = "–"
MINUS = "\N{MINUS SIGN}"


@dataclass(frozen=True)
class MetricView:
    """One metric of a benchmark.

    Attributes:
        label: as in the options.
        unit: "dB" or "".
        digits: after the point.
        higher_is_better: its direction.
        protocols: how it was taken; more than one makes scores incomparable.
        summaries: a line for each group, in the order of the results.
        comparisons: every two groups.
        tiers: groups from the best, those of one tier not told apart from its first.
        datasets: the same summaries for each dataset alone.
        table: all scores.
    """

    label: str
    unit: str
    digits: int
    higher_is_better: bool
    protocols: list[str]
    summaries: list[Summary]
    comparisons: Mapping[tuple[str, str], Paired]
    tiers: list[list[str]]
    datasets: Mapping[str, list[Summary]]
    table: ScoreTable

    @property
    def title(self) -> str:
        """The label with its direction."""
        return f"{self.label} {'↑' if self.higher_is_better else '↓'}"

    @property
    def has_gains(self) -> bool:
        """Whether bicubic interpolation was scored too."""
        return any(one.gains for one in self.summaries)

    def rank(self, name: str) -> int:
        """1 for the best and all that cannot be told apart from it."""
        above = 0
        for tier in self.tiers:
            if name in tier:
                return above + 1
            above += len(tier)
        return above + 1

    def ordered(self) -> list[Summary]:
        """Best first."""
        place = {name: i for i, name in enumerate(name for tier in self.tiers for name in tier)}
        return sorted(self.summaries, key=lambda one: place[one.name])

    def pair(self, first: str, second: str) -> Paired | None:
        """The comparison of two groups if it was made in this order."""
        return self.comparisons.get((first, second))

    def difference(self, first: str, second: str) -> Interval | None:
        """First minus second, positive where the first is better, whichever way it was taken."""
        if one := self.pair(first, second):
            return one.difference
        if one := self.pair(second, first):
            return turned(one.difference)
        return None

    def told_apart(self, first: str, second: str) -> bool:
        """Whether the two differ for sure."""
        one = self.pair(first, second) or self.pair(second, first)
        return one is not None and one.distinguishable

    def best_first(self) -> list[tuple[str, str, Paired]]:
        """Every comparison, the group with the better mean first."""
        place = {name: i for i, name in enumerate(name for tier in self.tiers for name in tier)}
        found = []
        for (first, second), pair in self.comparisons.items():
            if place.get(first, 0) > place.get(second, 0):
                first, second, pair = second, first, _swapped(pair)
            found.append((first, second, pair))
        return sorted(found, key=lambda one: (place.get(one[0], 0), place.get(one[1], 0)))

    def number(self, value: float | None, signed: bool = False) -> str:
        """A score as text."""
        return number(value, self.digits, signed)

    def span(self, one: Interval | None, signed: bool = False) -> str:
        """An interval's ends as text, "" where it has none."""
        return span(one, self.digits, signed)


def metric_views(results: Results, confidence: float = CONFIDENCE) -> list[MetricView]:
    """A view for every metric that has a score."""
    found = []
    for label in results.metrics:
        table = score_table(results, label)
        if not table.images:
            continue
        terms = [dict(e.protocols[label]) for e in results.evaluations if label in e.protocols]
        summaries = summarize(results, label, confidence=confidence)
        comparisons = compare_all(results, label, confidence=confidence)
        held = [d.name for d in results.datasets if any(d.name == i[0] for i in table.images)]
        found.append(
            MetricView(
                label,
                "dB" if "psnr" in str(terms[0].get("metric", label)).lower() else "",
                _digits(summaries),
                table.higher_is_better,
                list(dict.fromkeys(protocol_text(one) for one in terms)),
                summaries,
                comparisons,
                ranks(summaries, comparisons),
                {
                    d: summarize(results, label, dataset=d, confidence=confidence)
                    if len(held) > 1
                    else summaries
                    for d in held
                },
                table,
            )
        )
    return found


def protocol_text(protocol: Mapping[str, object]) -> str:
    """``crop_border 4, channel y``."""
    return ", ".join(f"{key} {value}" for key, value in protocol.items() if key != "metric")


def number(value: float | None, digits: int, signed: bool = False) -> str:
    """A number as people write it: a real minus, ∞, and – for what is not known."""
    if value is None:
        return MISSING
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "∞" if value > 0 else f"{MINUS}∞"
    text = f"{value:{'+' if signed else ''}.{digits}f}"
    if not float(text):
        text = text.replace("-", "").replace("+", "")
    return text.replace("-", MINUS)


def span(one: Interval | None, digits: int, signed: bool = False) -> str:
    """``25.10 to 26.40``."""
    if one is None or not one.known:
        return ""
    return f"{number(one.low, digits, signed)} to {number(one.high, digits, signed)}"


def turned(one: Interval) -> Interval:
    """The interval of the negative."""
    return Interval(-one.mean, -one.high, -one.low, one.n, one.infinite, one.undefined)


def _swapped(pair: Paired) -> Paired:
    over_seeds = None if pair.over_seeds is None else turned(pair.over_seeds)
    return replace(
        pair,
        difference=turned(pair.difference),
        wins=pair.losses,
        losses=pair.wins,
        over_seeds=over_seeds,
    )


def best_of(values: Sequence[float | None], higher: bool) -> int | None:
    """The index of the best known value, None where fewer than two are known."""
    known = [(v, i) for i, v in enumerate(values) if v is not None and not math.isnan(v)]
    if len(known) < 2:
        return None
    return (max if higher else min)(known, key=lambda pair: pair[0])[1]


def contenders(summaries: Sequence[Summary]) -> list[Summary]:
    """All but bicubic interpolation."""
    return [one for one in summaries if BICUBIC not in one.models]


def _digits(summaries: Sequence[Summary]) -> int:
    sizes = [abs(one.mean.mean) for one in summaries if math.isfinite(one.mean.mean)]
    top = max(sizes, default=1.0)
    return 2 if top >= 10 else 3 if top >= 1 else 4
