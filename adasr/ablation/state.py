"""How far a run is, read from what it left in its folder."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from ..errors import AdasrError
from ..evaluation.benchmark.about import device_name
from ..files import write_text
from ..inference.device import choose_device
from ..options import Options, dump_options, load_options
from ..options.yaml_text import parse
from ..training.checkpoint import saved_states
from ..training.log import read_metrics
from .plan import Run

FINISHED = "finished.json"


class State(StrEnum):
    """How far a run is."""

    DONE = "done"
    BEGUN = "begun"
    NEW = "new"
    CHANGED = "changed"


@dataclass(frozen=True)
class Standing:
    """Where a run stands.

    Attributes:
        state: changed: begun or done with other options than it now has.
        iteration: of its last saved state.
        differs: the options that have changed, as ``key: old -> new``.
    """

    state: State
    iteration: int = 0
    differs: tuple[str, ...] = ()


def standing(run: Run) -> Standing:
    """Where a run stands now."""
    states = saved_states(run.folder / "training_states")
    iteration = int(states[0].stem) if states else 0
    done = is_done(run)
    if not done and not states:
        return Standing(State.NEW)
    differs = changed_options(run)
    if differs:
        return Standing(State.CHANGED, iteration, differs)
    return Standing(State.DONE if done else State.BEGUN, iteration)


def finished(run: Run) -> dict[str, Any]:
    """What was written down at the end of a run; empty where it did not come to its end."""
    try:
        record = json.loads((run.folder / FINISHED).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def is_done(run: Run) -> bool:
    """Whether its training came to the end and its weights are there."""
    weights = finished(run).get("weights")
    return isinstance(weights, str) and (run.folder / weights).is_file()


def mark_done(run: Run, jobs: int = 1) -> None:
    """Write down that the training of ``run``, one of ``jobs`` at once, came to its end."""
    last = run.options.train.total_iter
    record = {
        "variant": run.variant.name,
        "seed": run.seed,
        "iteration": last,
        "weights": f"models/net_g_{last}.safetensors",
        "training_seconds": training_seconds(run.folder),
        "finished": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "device": _place(jobs),
    }
    write_text(run.folder / FINISHED, json.dumps(record, indent=1) + "\n")


def _place(jobs: int) -> str:
    device = choose_device()
    return f"{device_name(device)}, {jobs} trainings at once" if jobs > 1 else device_name(device)


def weights_of(run: Run, which: str) -> Path:
    """The weights of a done run that are compared, those of the last iteration or the best."""
    label = run.options.train.total_iter if which == "last" else "best"
    return run.folder / "models" / f"net_g_{label}.safetensors"


def training_seconds(folder: Path) -> float | None:
    """Seconds that a run's iterations took in all, without starts, saves and validations."""
    seconds, before = 0.0, 0
    for record in read_metrics(folder):
        if record.get("kind") == "train":
            count, speed = record["iteration"] - before, record.get("iterations_per_second", 0)
            before = record["iteration"]
            seconds += count / speed if speed else 0.0
    return round(seconds, 1) if before else None


def changed_options(run: Run) -> tuple[str, ...]:
    """The options that decide about the weights and were others when the run began."""
    path = run.folder / "options.yml"
    if not path.is_file():
        return ()
    try:
        began = load_options(path)
    except AdasrError as error:
        return (f"options.yml: {error}",)
    old, new = _flat(_deciding(began)), _flat(_deciding(run.options))
    return tuple(
        f"{key}: {old.get(key, 'none')} -> {new.get(key, 'none')}"
        for key in dict.fromkeys((*old, *new))
        if old.get(key) != new.get(key)
    )


def _deciding(options: Options) -> dict[str, Any]:
    """The options without those that say how a run is told of, kept and sped up."""
    mapping, _ = parse(dump_options(options))
    mapping.pop("logger", None)
    for key in ("experiments_root", "results_root"):
        mapping["path"].pop(key, None)
    for key in ("num_worker_per_gpu", "cache", "cache_dir"):
        mapping["datasets"]["train"].pop(key, None)
    return mapping


def _flat(value: Any, above: str = "") -> dict[str, Any]:
    if not isinstance(value, dict):
        return {above: value}
    flat: dict[str, Any] = {}
    for key, inner in value.items():
        flat |= _flat(inner, f"{above}.{key}" if above else str(key))
    return flat
