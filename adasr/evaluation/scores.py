"""What an evaluation leaves behind: a score per image and metric, and how it was taken."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class ImageScore:
    """The scores of one image under one recipe.

    Attributes:
        name: the image's name in its dataset.
        recipe: how its LQ was made; "" where the LQ came as a file.
        values: metric label to score; a metric that could not be computed is absent.
    """

    name: str
    recipe: str
    values: Mapping[str, float]


@dataclass(frozen=True)
class Evaluation:
    """One network's scores on one dataset.

    Attributes:
        model: what the network is called in tables.
        dataset: what the dataset is called in tables.
        protocols: metric label to how it is taken (``Metric.protocol()``).
        higher_is_better: metric label to its direction.
        scores: one entry for every image that went through the network, in the dataset's order.
        failures: what was skipped, wholly or in part: image (with its recipe) to problem.
        baseline: bicubic interpolation on the same images, where it was asked for.
        notes: image (with its recipe) to how it was restored, where not as a whole.
    """

    model: str
    dataset: str
    protocols: Mapping[str, Mapping[str, str | int | bool]]
    higher_is_better: Mapping[str, bool]
    scores: list[ImageScore] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)
    baseline: Evaluation | None = None
    notes: dict[str, str] = field(default_factory=dict)

    @property
    def metrics(self) -> list[str]:
        """The metric labels in the order they were given."""
        return list(self.protocols)

    @property
    def recipes(self) -> list[str]:
        """The recipes in order of first appearance."""
        return list(dict.fromkeys(score.recipe for score in self.scores))

    def values(self, metric: str, recipe: str | None = None) -> list[float]:
        """The scores of ``metric``, of one recipe or (None) of all."""
        return [
            score.values[metric]
            for score in self.scores
            if metric in score.values and recipe in (None, score.recipe)
        ]

    def mean(self, metric: str, recipe: str | None = None) -> float:
        """The arithmetic mean over images of one recipe or (None) of all.

        As everywhere in the field: an ``inf`` among PSNRs (an image restored exactly) makes it
        ``inf``, a NaN (a network whose output is not finite) makes it NaN. NaN without any image.
        """
        values = self.values(metric, recipe)
        return math.fsum(values) / len(values) if values else math.nan

    def to_dict(self) -> dict[str, Any]:
        """As plain data for strict JSON, with the means; ``from_dict`` takes it back.

        Numbers that JSON lacks are the strings "inf", "-inf" and "nan".
        """
        return {
            "model": self.model,
            "dataset": self.dataset,
            "protocols": {label: dict(protocol) for label, protocol in self.protocols.items()},
            "higher_is_better": dict(self.higher_is_better),
            "means": {
                label: {recipe: _plain(self.mean(label, recipe)) for recipe in self.recipes}
                | {"mean": _plain(self.mean(label))}
                for label in self.metrics
            },
            "scores": [
                {
                    "name": score.name,
                    "recipe": score.recipe,
                    "values": {label: _plain(value) for label, value in score.values.items()},
                }
                for score in self.scores
            ],
            "failures": dict(self.failures),
            "baseline": self.baseline.to_dict() if self.baseline else None,
            "notes": dict(self.notes),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Evaluation:
        """The evaluation that ``to_dict`` gave."""
        return cls(
            model=data["model"],
            dataset=data["dataset"],
            protocols=data["protocols"],
            higher_is_better=data["higher_is_better"],
            scores=[
                ImageScore(s["name"], s["recipe"], {k: float(v) for k, v in s["values"].items()})
                for s in data["scores"]
            ],
            failures=dict(data["failures"]),
            baseline=cls.from_dict(data["baseline"]) if data["baseline"] else None,
            notes=dict(data.get("notes", {})),
        )


def _plain(value: float) -> float | str:
    return value if math.isfinite(value) else str(value)
