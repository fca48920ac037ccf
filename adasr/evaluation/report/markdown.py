"""The report as Markdown: tables that fit into an issue or a README."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ..results import Results
from ..statistics import Interval, Summary
from .findings import caveats, findings
from .views import MISSING, MetricView, best_of

_FAILURES = 200
_PAIRS = 45


def markdown_report(
    results: Results, views: Sequence[MetricView], title: str, ranking: bool = False
) -> str:
    """All of ``results`` as text.

    Args:
        results: the benchmark.
        views: of its metrics.
        title: heading.
        ranking: best first, with ranks.
    """
    parts = [f"# {escaped(title)}\n"]
    images = len({(d.name, name) for d in results.datasets for name in d.images})
    parts.append(
        f"{len(results.models)} models, {images} images, {len(results.recipes)} degradations, "
        f"x{results.scale}.\n"
    )
    for view in views:
        parts += _metric(results, view, ranking)
    parts += [*_failures(results), *_protocol(results, views)]
    return "\n".join(parts)


def _metric(results: Results, view: MetricView, ranking: bool) -> Iterator[str]:
    yield f"## {escaped(view.title)}\n"
    yield _table(_headline(view, ranking))
    lines = [*findings(results, view), *caveats(results, view)]
    if lines:
        yield "".join(f"- {escaped(line)}\n" for line in lines)
    if view.comparisons:
        yield f"### {escaped(view.label)}: image by image\n"
        yield _table(_comparisons(view))
        if len(view.comparisons) > _PAIRS:
            yield f"Only those with the best; all {len(view.comparisons)} are in report.html.\n"
    yield f"### {escaped(view.label)}: degradations\n"
    yield _table(_recipes(view, view.summaries))
    if len(view.datasets) > 1:
        for dataset, summaries in view.datasets.items():
            yield f"### {escaped(view.label)}: {escaped(dataset)}\n"
            yield _table(_recipes(view, summaries))


def _headline(view: MetricView, ranking: bool) -> Iterator[list[str]]:
    summaries = view.ordered() if ranking else view.summaries
    head = ["model", "mean", "seen", "unseen", "gap", "worst"]
    head = ["rank", *head] if ranking else head
    head += ["gain: mean", "seen", "unseen", "gap"] if view.has_gains else []
    yield head
    rows: list[list[tuple[str, float | None]]] = []
    for one in summaries:
        row = [_cell(view, i) for i in (one.mean, one.seen, one.unseen, one.gap)]
        row.append(_worst(view, one))
        if view.has_gains:
            gains = one.gains
            row += [
                _cell(view, i, True)
                for i in (
                    (gains.mean, gains.seen, gains.unseen, gains.gap) if gains else (None,) * 4
                )
            ]
        rows.append(row)
    higher = view.higher_is_better
    directions = [higher, higher, higher, None, higher, True, True, True, None]
    for column, direction in zip(range(len(rows[0])), directions, strict=False):
        best = (
            best_of([row[column][1] for row in rows], direction) if direction is not None else None
        )
        if best is not None:
            text, value = rows[best][column]
            rows[best][column] = f"**{text}**", value
    for one, row in zip(summaries, rows, strict=True):
        start = [str(view.rank(one.name))] if ranking else []
        yield [*start, _name(one), *(text for text, _ in row)]


def _comparisons(view: MetricView) -> Iterator[list[str]]:
    yield ["first", "second", "first - second", "wins / ties / losses", "p (Holm)", "told apart"]
    pairs = view.best_first()
    few = len(pairs) <= _PAIRS
    for first, second, pair in pairs:
        if not few and first != pairs[0][0]:
            continue
        text, _ = _cell(view, pair.difference, True)
        counts = f"{pair.wins} / {pair.ties} / {pair.losses}"
        told = "yes" if pair.distinguishable else "no"
        yield [first, second, text, counts, p_text(pair.p), told]


def _recipes(view: MetricView, summaries: Sequence[Summary]) -> Iterator[list[str]]:
    yield ["degradation", "kind", *(one.name for one in summaries)]
    for recipe, kind in zip(view.table.recipes, view.table.kinds, strict=True):
        intervals = [one.per_recipe.get(recipe) for one in summaries]
        if not any(intervals):
            continue
        texts = [view.number(i.mean if i and i.n else None) for i in intervals]
        known = [i.mean if i and i.n else None for i in intervals]
        best = best_of(known, view.higher_is_better)
        if best is not None:
            texts[best] = f"**{texts[best]}**"
        yield [recipe or "as it is", kind, *texts]


def _failures(results: Results) -> Iterator[str]:
    lines = [
        f"- {e.model}, {e.dataset}, {name}: {problem}"
        for e in results.evaluations
        for name, problem in e.failures.items()
    ]
    if lines:
        yield "## Failures\n"
        more = [f"- and {len(lines) - _FAILURES} more"] if len(lines) > _FAILURES else []
        yield "".join(f"{escaped(line)}\n" for line in lines[:_FAILURES] + more)


def restored_otherwise(results: Results) -> list[str]:
    """Lines on images that a network did not restore as a whole: how, and how many."""
    counts: dict[tuple[str, str, str], int] = {}
    for e in results.evaluations:
        for note in e.notes.values():
            counts[e.model, e.dataset, note] = counts.get((e.model, e.dataset, note), 0) + 1
    return [
        f"{model}, {dataset}: {count} images restored {note}"
        for (model, dataset, note), count in counts.items()
    ]


def _protocol(results: Results, views: Sequence[MetricView]) -> Iterator[str]:
    yield "## How it was taken\n"
    lines = [f"{view.label}: {'; '.join(view.protocols)}" for view in views]
    lines += [f"{key}: {plain_text(value)}" for key, value in results.about.items() if value]
    lines += restored_otherwise(results)
    yield "".join(f"- {escaped(line)}\n" for line in lines)
    yield "".join(f"- {line}\n" for line in METHOD)
    yield _table(_models(results))
    yield _table(_datasets(results))


def _models(results: Results) -> Iterator[list[str]]:
    yield ["model", "group", "seed", "network", "parameters", "trained on", "SHA-256"]
    for one in results.models:
        families = "unknown" if one.trained_on is None else ", ".join(one.trained_on) or "nothing"
        seed = MISSING if one.seed is None else str(one.seed)
        size = f"{one.parameters:,}" if one.parameters else MISSING
        families = families if one.file else MISSING
        yield [one.name, one.group, seed, one.network, size, families, one.sha256[:16] or MISSING]


def _datasets(results: Results) -> Iterator[list[str]]:
    yield ["dataset", "images", "ground truth", "folder"]
    for one in results.datasets:
        yield [one.name, str(len(one.images)), "yes" if one.paired else "no", one.root]


METHOD = (
    "mean: over degradations of the mean over images, each image alike. seen, unseen: the same "
    "over the degradations that every training, or none, had.",
    "gap: how much worse the unseen degradations are than the seen ones; for gains, which leave "
    "out how hard a degradation is by itself, how much of the gain is lost.",
    "gain: over bicubic interpolation, image by image; positive is better for every metric.",
    "Brackets are 95 % bootstrap intervals over images: whole images are drawn, each with all its "
    "degradations; with several seeds of a configuration, seeds are drawn too. They are widened "
    "for few images.",
    "Two models are compared on the images that both have. p is of the two-sided sign-flip test "
    "over images, adjusted for the number of comparisons (Holm). Told apart: the interval of the "
    "difference excludes zero, and so does Welch's over seeds where both have several.",
)


def plain_text(value: object) -> str:
    """Whatever was noted of a run, as a line."""
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {plain_text(item)}" for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(plain_text(item) for item in value)
    return str(value)


def p_text(p: float) -> str:
    """``0.012``, ``< 0.001``, or – where it is not known."""
    if p != p:
        return MISSING
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def _cell(view: MetricView, one: Interval | None, signed: bool = False) -> tuple[str, float | None]:
    if one is None or (not one.n and not one.undefined and not one.infinite):
        return MISSING, None
    ends = f" [{view.span(one, signed)}]" if one.known else ""
    mean = "∞" if not one.n and one.infinite else view.number(one.mean, signed)
    return f"{mean}{ends}", one.mean


def _worst(view: MetricView, one: Summary) -> tuple[str, float | None]:
    if one.worst is None:
        return MISSING, None
    return f"{view.number(one.worst.mean)} ({one.worst_recipe or 'as it is'})", one.worst.mean


def _name(one: Summary) -> str:
    return f"{one.name} ({len(one.models)} seeds)" if len(one.models) > 1 else one.name


def _table(lines: Iterator[list[str]]) -> str:
    text = [[escaped(cell) for cell in line] for line in lines]
    text.insert(1, ["---"] + ["---:"] * (len(text[0]) - 1))
    return "".join(f"| {' | '.join(line)} |\n" for line in text)


def escaped(text: str) -> str:
    """Text that Markdown takes as it is, in a table too."""
    for sign in ("\\", "|", "<", "`"):
        text = text.replace(sign, f"\\{sign}")
    return text.replace("\n", " ").replace("\r", " ")
