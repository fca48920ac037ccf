"""Evaluations as files (JSON, CSV, Markdown) and as a table on the console."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import FileError
from ..files import write_text
from .scores import Evaluation

if TYPE_CHECKING:
    from rich.table import Table

_DIGITS = {"psnr": 2}
_MEAN = "mean"
_AS_FILES = "as files"  # beside recipes: LQ images that nothing made here


@dataclass(frozen=True)
class Row:
    """One model under one metric: a mean for each recipe, then the mean over all images."""

    dataset: str
    metric: str
    model: str
    means: tuple[float, ...]
    best: tuple[bool, ...]
    digits: int


def write_scores(evaluations: Sequence[Evaluation], folder: str | Path) -> list[Path]:
    """Write ``scores.json`` (everything), ``scores.csv`` (a line a score) and ``scores.md``.

    Raises:
        FileError: the folder cannot be written.
    """
    folder = Path(folder)
    texts = {
        "scores.json": json.dumps(
            [e.to_dict() for e in evaluations], indent=1, allow_nan=False, ensure_ascii=False
        ),
        "scores.csv": csv_table(evaluations),
        "scores.md": f"{markdown_table(evaluations)}\n{protocol_notes(evaluations)}",
    }
    try:
        for name, text in texts.items():
            write_text(folder / name, text)
    except OSError as error:
        raise FileError(
            folder, f"cannot be written ({error.strerror})", "Give another folder."
        ) from None
    return [folder / name for name in texts]


def read_scores(path: str | Path) -> list[Evaluation]:
    """The evaluations of a ``scores.json``.

    Raises:
        FileError: it cannot be read or is not such a file.
    """
    try:
        data = json.loads(Path(path).read_text(encoding="utf-8"))
        return [Evaluation.from_dict(one) for one in data]
    except OSError as error:
        raise FileError(path, f"cannot be read ({error.strerror})") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise FileError(path, "is not a file of scores", "Evaluate again to write it.") from None


def csv_table(evaluations: Sequence[Evaluation]) -> str:
    """One line for each score: dataset, model, recipe, name, metric, value."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["dataset", "model", "recipe", "name", "metric", "value"])
    for evaluation in _with_baselines(evaluations):
        for score in evaluation.scores:
            for metric, value in score.values.items():
                head = [evaluation.dataset, evaluation.model, score.recipe, score.name]
                writer.writerow([*head, metric, repr(value)])
    return text.getvalue()


def rows(evaluations: Sequence[Evaluation]) -> tuple[list[str], list[Row]]:
    """The recipes (columns) and the rows of a comparison, by dataset, metric and model.

    ``best`` marks the best of each column among the models of one dataset and metric; where there
    is only one model, or scores are taken under different protocols, nothing is best.
    """
    every = list(_with_baselines(evaluations))
    recipes = list(dict.fromkeys(r for e in every for r in e.recipes))
    found: list[Row] = []
    for dataset in dict.fromkeys(e.dataset for e in every):
        of_dataset = [e for e in every if e.dataset == dataset]
        for metric in dict.fromkeys(m for e in of_dataset for m in e.metrics):
            group = [e for e in of_dataset if metric in e.metrics]
            columns = [[e.mean(metric, r) for e in group] for r in recipes]
            columns.append([e.mean(metric) for e in group])
            comparable = len(group) > 1 and all(
                e.protocols[metric] == group[0].protocols[metric] for e in group
            )
            best = [_best(c, group[0].higher_is_better[metric], comparable) for c in columns]
            digits = _DIGITS.get(str(group[0].protocols[metric].get("metric", metric)), 4)
            for i, evaluation in enumerate(group):
                means = tuple(column[i] for column in columns)
                marks = tuple(column[i] for column in best)
                found.append(Row(dataset, metric, evaluation.model, means, marks, digits))
    return recipes, found


def markdown_table(evaluations: Sequence[Evaluation]) -> str:
    """The comparison as a Markdown table, the best of each column bold."""
    recipes, found = rows(evaluations)
    head = ["dataset", "metric", "model", *_columns(recipes)]
    lines = [head, ["---"] * 3 + ["---:"] * (len(head) - 3)]
    for row in found:
        cells = [f"**{c}**" if best else c for c, best in zip(_cells(row), row.best, strict=True)]
        lines.append([row.dataset, _arrow(row, evaluations), row.model, *_shown(cells, recipes)])
    return "".join(f"| {' | '.join(_escaped(cell) for cell in line)} |\n" for line in lines)


def rich_table(evaluations: Sequence[Evaluation], title: str | None = None) -> Table:
    """The comparison for the console: a line for each recipe, the best of it bold."""
    from rich.markup import escape
    from rich.table import Table

    recipes, found = rows(evaluations)
    table = Table(title=title)
    table.add_column("dataset")
    table.add_column("recipe", overflow="fold")
    columns = list(dict.fromkeys((row.metric, row.model) for row in found))
    for metric, model in columns:
        row = next(row for row in found if (row.metric, row.model) == (metric, model))
        table.add_column(escape(f"{_arrow(row, evaluations)}\n{model}"), justify="right")
    for dataset in dict.fromkeys(row.dataset for row in found):
        by_column = {(row.metric, row.model): row for row in found if row.dataset == dataset}
        for line, recipe in enumerate(_columns(recipes)):
            cells = [_rich_cell(by_column.get(column), line) for column in columns]
            if set(cells) == {"-"} and len(recipes) > 1:  # another dataset's recipe
                continue
            table.add_row(escape(dataset), escape(recipe), *cells)
        table.add_section()
    return table


def _rich_cell(row: Row | None, line: int) -> str:
    if row is None:
        return "-"
    cell = _cells(row)[line]
    return f"[bold]{cell}[/bold]" if row.best[line] else cell


def protocol_notes(evaluations: Sequence[Evaluation]) -> str:
    """One line for each protocol, and the names of the images that failed."""
    lines: dict[str, None] = {}
    for e in _with_baselines(evaluations):
        for label, protocol in e.protocols.items():
            terms = ", ".join(f"{k} {v}" for k, v in protocol.items() if k != "metric")
            lines[f"- {label}: {terms}"] = None
    for e in evaluations:
        for name, problem in e.failures.items():
            lines[f"- {e.dataset or 'dataset'}, {name}: {problem}"] = None
    return "".join(f"{line}\n" for line in lines)


def _with_baselines(evaluations: Sequence[Evaluation]) -> Iterator[Evaluation]:
    """Each evaluation after its baseline; a dataset's baseline is said once."""
    said = set()
    for e in evaluations:
        if e.baseline is not None and e.dataset not in said:
            said.add(e.dataset)
            yield e.baseline
        yield e


def _best(column: list[float], higher: bool, comparable: bool) -> list[bool]:
    numbers = [value for value in column if not math.isnan(value)]
    if not (comparable and numbers):
        return [False] * len(column)
    top = max(numbers) if higher else min(numbers)
    return [value == top for value in column]


def _columns(recipes: list[str]) -> list[str]:
    """A mean column says nothing new beside a single recipe."""
    if len(recipes) == 1:
        return [recipes[0] or _MEAN]
    return [r or _AS_FILES for r in recipes] + [_MEAN] * bool(recipes)


def _shown(cells: list[str], recipes: list[str]) -> list[str]:
    return cells if len(recipes) > 1 else cells[:1]


def _cells(row: Row) -> list[str]:
    return ["-" if math.isnan(mean) else f"{mean:.{row.digits}f}" for mean in row.means]


def _arrow(row: Row, evaluations: Sequence[Evaluation]) -> str:
    higher = next(
        e.higher_is_better[row.metric] for e in evaluations if row.metric in e.higher_is_better
    )
    return f"{row.metric} {'↑' if higher else '↓'}"


def _escaped(cell: str) -> str:
    return cell.replace("|", r"\|").replace("\n", " ")
