"""Records as numbers with tags, grouped so that a board shows few panels."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

_SPEED = ("iterations_per_second", "data_wait", "degradation")


def scalars(kind: str, values: Mapping[str, Any]) -> dict[str, float]:
    """The numbers of a record by tag; BasicSR's tags where it has one.

    ``losses/l_pix``, ``train/lr``, ``speed/data_wait``, ``memory/memory_mib``,
    ``metrics/Set5/psnr``, and ``recipes/Set5/blur2/psnr`` apart from the means. A list or mapping
    of numbers becomes one number each, in order: ``weights/00``, ``weights/00_body.0.conv1``.

    Args:
        kind: ``train``, ``val`` or another, which is then the group.
        values: the record; what is no number is left out.
    """
    found: dict[str, float] = {}
    for key, value in values.items():
        if isinstance(value, int | float):
            found[f"{_group(kind, key)}/{key}"] = value
        elif isinstance(value, Mapping | list | tuple):
            for label, part in _parts(value):
                if isinstance(part, int | float):
                    found[f"{key}/{label}"] = part
    return found


def layout(tags: Iterable[str]) -> dict[str, dict[str, list[Any]]]:
    """What TensorBoard's "Custom Scalars" draws into one chart, for ``add_custom_scalars``.

    The same tags give the same charts in every run, so TensorBoard merges those of several.
    """
    groups = dict.fromkeys(tag.split("/")[0] for tag in tags)
    labels = dict.fromkeys(
        tag.rsplit("/", 1)[-1] for tag in tags if tag.startswith(("metrics/", "recipes/"))
    )
    charts = {
        "losses": ["Multiline", ["^losses/.*"]],
        "weights": ["Multiline", ["^weights/.*"]],
        "speed": ["Multiline", ["^speed/(data_wait|degradation)$"]],
        "memory": ["Multiline", ["^memory/.*"]],
    }
    names = {
        "losses": "losses",
        "weights": "weights of the sites",
        "speed": "share of the time",
        "memory": "memory (MiB)",
    }
    training = {names[group]: chart for group, chart in charts.items() if group in groups}
    scores = {
        label: ["Multiline", [f"^(metrics|recipes)/.*/{re.escape(label)}$"]] for label in labels
    }
    wanted = {"validation": scores, "training": training}
    return {category: found for category, found in wanted.items() if found}


def _group(kind: str, key: str) -> str:
    if kind == "val":
        return "recipes" if key.count("/") > 1 else "metrics"
    if kind != "train":
        return kind
    if key.startswith("l_"):
        return "losses"
    if key.endswith("memory_mib"):
        return "memory"
    return "speed" if key in _SPEED else "train"


def _parts(value: Mapping[str, Any] | Sequence[Any]) -> Iterable[tuple[str, Any]]:
    """Labels that sort as the parts stand, which is from input to output for sites."""
    width = max(2, len(str(len(value) - 1)))
    if isinstance(value, Mapping):
        return [(f"{i:0{width}d}_{k}", part) for i, (k, part) in enumerate(value.items())]
    return [(f"{i:0{width}d}", part) for i, part in enumerate(value)]
