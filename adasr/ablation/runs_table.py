"""What was trained, for people: what each configuration changes, its seeds, its cost."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from typing import Any

from ..options import Options
from ..options.yaml_text import dump
from .plan import Ablation, Run
from .state import finished


def runs_table(ablation: Ablation, done: Sequence[Run]) -> str:
    """The runs as Markdown; ``done`` are those that are compared."""
    names = {run.name for run in done}
    lines = [f"# {ablation.name}: the runs", ""]
    lines += [
        "| configuration | changes | seeds | iterations | pairs/iteration | training time a run |",
        "|---|---|---|---|---|---|",
    ]
    places = set()
    for variant in ablation.variants:
        runs = [run for run in ablation.runs if run.variant.name == variant.name]
        records = [finished(run) for run in runs if run.name in names]
        places |= {place for r in records if (place := r.get("device"))}
        seconds = [r["training_seconds"] for r in records if r.get("training_seconds")]
        cells = [
            variant.name,
            _changes(runs[0]),
            _seeds(runs, names),
            str(runs[0].options.train.total_iter),
            str(pairs_per_iteration(runs[0].options)),
            _minutes(seconds),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    base = ablation.runs[0].options
    lines += [
        "",
        "Training time counts iterations alone, without starts, checkpoints and validations.",
        f"Compared are the weights of {_which(ablation)}.",
        *(f"Trained on: {place}." for place in sorted(places)),
        "",
        "What all have in common, but for the changes above:",
        "",
        "```yaml",
        dump(_common(base)).rstrip(),
        "```",
        "",
    ]
    return "\n".join(lines)


def pairs_per_iteration(options: Options) -> int:
    """Pairs of LQ and GT that pass through the network in an iteration, per process."""
    assert options.datasets.train is not None
    views = 2 if options.train.align_opt is not None else 1
    return options.datasets.train.batch_size_per_gpu * options.train.accumulate * views


def _changes(run: Run) -> str:
    told = [f"`{'.'.join(c.key)}: {_value(c.value)}`" for c in run.variant.changes]
    return "<br>".join(told).replace("|", "\\|") or "none"


def _value(value: Any) -> str:
    return "none" if value is None else json.dumps(value, ensure_ascii=False).replace('"', "")


def _seeds(runs: Sequence[Run], done: Collection[str]) -> str:
    return ", ".join(
        f"{run.seed}" if run.name in done else f"{run.seed} (not done)" for run in runs
    )


def _minutes(seconds: Sequence[float]) -> str:
    if not seconds:
        return "-"
    low, high = min(seconds) / 60, max(seconds) / 60
    return f"{low:.1f} min" if high - low < 0.1 else f"{low:.1f} to {high:.1f} min"


def _which(ablation: Ablation) -> str:
    which = ablation.benchmark.weights if ablation.benchmark else "last"
    return "the last iteration" if which == "last" else "the best validation"


def _common(options: Options) -> dict[str, Any]:
    """The parts of the options that say what a training is, as far as they were given."""
    given = options.model_dump(
        mode="json",
        exclude={"name", "manual_seed", "path", "logger", "val"},
        exclude_unset=True,
    )
    return _flattened(given)


def _flattened(value: Any) -> Any:
    """Components as people write them: their arguments beside their type."""
    if isinstance(value, dict):
        plain = {k: _flattened(v) for k, v in value.items() if k != "arguments" and v is not None}
        return plain | _flattened(value["arguments"]) if "arguments" in value else plain
    return [_flattened(v) for v in value] if isinstance(value, list) else value
