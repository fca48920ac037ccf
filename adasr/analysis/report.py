"""An analysis as files: all numbers as JSON, figures with what to read from them as Markdown."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..files import write_text
from .diagnostics import Diagnostic
from .subjects import Subject

FORMAT = "adasr-analysis/1"


@dataclass(frozen=True)
class Section:
    """One diagnostic of all networks.

    Attributes:
        name: e.g. ``zeroing``.
        diagnostic: what it is.
        found: numbers by network.
        failures: why there are none, by network.
        notes: what a reader must know, by network.
        figures: files drawn; none where nothing was found.
    """

    name: str
    diagnostic: Diagnostic
    found: Mapping[str, Any]
    failures: Mapping[str, str]
    notes: Mapping[str, str]
    figures: Sequence[Path]


def write_json(
    target: Path, about: Mapping[str, Any], subjects: Sequence[Subject], sections: Sequence[Section]
) -> None:
    """Write all numbers as strict JSON: what is not finite is null.

    Raises:
        OSError: the file cannot be written.
    """
    data = {
        "format": FORMAT,
        "about": dict(about),
        "models": [
            {
                "name": one.name,
                "file": str(one.path),
                "sha256": one.sha256,
                "network": one.network,
                "iteration": one.iteration,
            }
            for one in subjects
        ],
        "diagnostics": {
            section.name: {
                "models": {name: _plain(one) for name, one in section.found.items()},
                "failures": dict(section.failures),
                "notes": dict(section.notes),
            }
            for section in sections
        },
    }
    text = json.dumps(data, indent=1, allow_nan=False, ensure_ascii=False)
    write_text(target, text + "\n")


def write_markdown(
    target: Path, about: Mapping[str, Any], subjects: Sequence[Subject], sections: Sequence[Section]
) -> None:
    """Write each figure with what to read from it and its numbers.

    Raises:
        OSError: the file cannot be written.
    """
    lines = [
        "# What the features do",
        "",
        "| network | architecture | regularizer studied | weights (SHA-256) |",
        "|---|---|---|---|",
    ]
    for one in subjects:
        kind = one.regularization
        told = repr(kind.prototype) if kind is not None else f"none: {one.why_none}"
        lines.append(
            f"| {_cell(one.name)} | {one.network} | {_cell(told)} | "
            f"{one.path.name} ({one.sha256[:12]}) |"
        )
    images = sorted({name.rpartition("@")[0] for name in about["crops"]})
    crops = f"{len(about['crops'])} crops of {about['crop_size']}x{about['crop_size']} LQ pixels"
    lines += [
        "",
        f"{crops} from {len(images)} images of {', '.join(about['data'])}; degradations: "
        f"{', '.join(about['recipes'])}; seed {about['seed']}, {about['draws']} draws; "
        f"{about['device']}, adasr {about['versions']['adasr']}, torch "
        f"{about['versions']['torch']}, {about['date']}. All numbers are in analysis.json.",
    ]
    if about["left_out"]:
        lines += ["", "Images left out:", ""]
        lines += [f"* {path}: {problem}" for path, problem in about["left_out"].items()]
    for section in sections:
        lines += ["", f"## {section.diagnostic.title}", ""]
        if section.figures:
            lines += [f"![{section.diagnostic.title}]({section.figures[0].name})", ""]
        lines += [f"**What to read from it.** {section.diagnostic.reading}", ""]
        if section.found:
            lines += section.diagnostic.tell({_cell(k): v for k, v in section.found.items()})
        remarks = [f"* {_cell(name)}: {note}" for name, note in section.notes.items()]
        remarks += [f"* {_cell(name)} FAILED: {why}" for name, why in section.failures.items()]
        lines += ["", *remarks] if remarks else []
    text = "\n".join(lines) + "\n"
    while "\n\n\n" in text:
        text = text.replace("\n\n\n", "\n\n")
    write_text(target, text)


def _cell(text: str) -> str:
    """A name that cannot break a table."""
    return text.replace("|", "\\|").replace("\n", " ")


def _plain(value: Any) -> Any:
    """Dataclasses and arrays as JSON takes them, six digits of each number; pictures left out."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = [field for field in dataclasses.fields(value) if field.repr]
        return {field.name: _plain(getattr(value, field.name)) for field in fields}
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    return value
