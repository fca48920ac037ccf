"""What to read from the figures, in sentences; and what not to."""

from __future__ import annotations

import math
from collections.abc import Iterator

from ..results import BICUBIC, Results
from .views import MetricView, contenders

_ROUGH = 10  # images below which an interval is only a hint


def findings(results: Results, view: MetricView) -> list[str]:
    """Sentences about one metric, the most important first."""
    return [*_best(view), *_unseen(view), *_below_bicubic(view)]


def caveats(results: Results, view: MetricView) -> list[str]:
    """What limits the figures of one metric."""
    return [*_images(view), *_seeds(view), *_lacking(view), *_kinds(results, view)]


def _best(view: MetricView) -> Iterator[str]:
    known = [one for one in view.ordered() if not math.isnan(one.mean.mean)]
    if len(known) < 2:
        return
    first = known[0]
    interval = f" ({view.span(first.mean)})" if first.mean.known else ""
    told = f"{first.name} has the best mean {view.label}: {_value(view, first.mean.mean)}{interval}"
    same = [one.name for one in known[1:] if not view.told_apart(first.name, one.name)]
    if not same:
        second = known[1]
        difference = view.difference(first.name, second.name)
        if difference is not None:
            told += (
                f"; it is {_value(view, difference.mean)} better than {second.name} on the same "
                f"images ({view.span(difference)})"
            )
        yield f"{told}, and told apart from every other."
    else:
        yield f"{told}, but it cannot be told apart from {_names(same)}."


def _unseen(view: MetricView) -> Iterator[str]:
    held = [
        (one.gains.unseen.mean, one)
        for one in contenders(view.summaries)
        if one.gains and one.gains.unseen and not math.isnan(one.gains.unseen.mean)
    ]
    if held:
        top, one = max(held, key=lambda pair: pair[0])
        assert one.gains is not None and one.gains.unseen is not None
        verb = "gains most" if len(held) > 1 else "gains"
        told = f"On degradations that no training had, {one.name} {verb} over bicubic: "
        told += f"{_value(view, top, True)} ({view.span(one.gains.unseen, True)})"
        if one.gains.seen is not None:
            told += f"; on seen ones it gains {_value(view, one.gains.seen.mean, True)}"
        yield f"{told}."
    gaps = [
        (one.gains.gap.mean, one.name)
        for one in contenders(view.summaries)
        if one.gains and one.gains.gap and not math.isnan(one.gains.gap.mean)
    ]
    if len(gaps) > 1:
        (low, least), (high, most) = min(gaps), max(gaps)
        yield (
            f"From seen to unseen, {least} loses least of its gain ({_value(view, low)}) and "
            f"{most} most ({_value(view, high)})."
        )


def _below_bicubic(view: MetricView) -> Iterator[str]:
    worse = []
    for one in contenders(view.summaries):
        if one.gains is not None:
            below = [r for r, i in one.gains.per_recipe.items() if i.known and i.high < 0]
            if below:
                worse.append(f"{one.name} under {_names([b or 'as it is' for b in below], 3)}")
    if worse:
        more = f"; and {len(worse) - 4} more" if len(worse) > 4 else ""
        yield (
            "Worse than bicubic interpolation (the interval is below zero): "
            f"{'; '.join(worse[:4])}{more}."
        )


def _images(view: MetricView) -> Iterator[str]:
    n = max((one.mean.n for one in view.summaries), default=0)
    if n < 2:
        yield "One image: there is no interval, and nothing can be told apart."
    elif n < _ROUGH:
        yield (
            f"Only {n} images: the intervals are rough, and no p can be below "
            f"{2 / 2**n:.2g} before it is adjusted."
        )


def _seeds(view: MetricView) -> Iterator[str]:
    rest = contenders(view.summaries)
    several = [one for one in rest if len(one.models) > 1]
    single = [one for one in rest if len(one.models) == 1]
    if single:
        whom = "Each configuration" if not several else _names([one.name for one in single])
        yield (
            f"{whom}: one training, so the intervals are about other images, not about other "
            "seeds of the same configuration."
        )
    if several:
        counts = sorted({len(one.models) for one in several})
        few = (
            " With so few seeds, what is not told apart may still differ." if counts[0] < 5 else ""
        )
        yield (
            f"{_names([one.name for one in several])}: {' to '.join(map(str, counts))} seeds; "
            "intervals are over images and seeds, and two such groups are told apart only where "
            f"the interval over images and Welch's over seeds both exclude zero.{few}"
        )


def _lacking(view: MetricView) -> Iterator[str]:
    for one in view.summaries:
        if one.missing:
            yield (
                f"{one.name} lacks {one.missing} scores that others have (see failures): its means "
                "are over other images than theirs; comparisons are over the common ones."
            )
        if one.mean.undefined:
            yield f"{one.name}: {one.mean.undefined} scores are NaN, so its means are NaN."
        if one.mean.infinite:
            yield (
                f"{one.name}: {one.mean.infinite} scores are infinite (restored exactly); means "
                "are over the others."
            )
    if len(view.protocols) > 1:
        yield f"{view.label} was taken in different ways: {'; '.join(view.protocols)}."
    left_out = sum(pair.left_out for pair in view.comparisons.values())
    if left_out and not any(one.missing for one in view.summaries):
        yield f"Comparisons left out {left_out} scores that only one side has."


def _kinds(results: Results, view: MetricView) -> Iterator[str]:
    mixed = [view.table.recipes[i] for i in view.table.of_kind("mixed")]
    if mixed:
        yield (
            f"{_names(mixed)}: part of some trainings and not of others, so in neither the seen "
            "nor the unseen average."
        )
    silent = [m.name for m in results.models if m.file and m.trained_on is None]
    if silent and view.table.of_kind("seen", "unseen"):
        yield (
            f"{_names(silent)}: the weights do not say what they were trained on, so what counts "
            "as seen is presumed."
        )
    if results.about.get("complete") is False:
        yield "This benchmark was stopped early: scores are missing."
    if not view.has_gains and len(results.models) and BICUBIC not in view.table.values:
        yield "Bicubic interpolation was not scored: there are no gains."


def _value(view: MetricView, value: float, signed: bool = False) -> str:
    return f"{view.number(value, signed)} {view.unit}".rstrip()


def _names(names: list[str], most: int = 6) -> str:
    if len(names) > most:
        return f"{', '.join(names[:most])} and {len(names) - most} more"
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
