"""What ``adasr benchmark`` finds out, as data: models x datasets x recipes -> a score per image."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..errors import FileError
from ..files import write_text
from .scores import Evaluation

FORMAT = "adasr-benchmark/1"
BICUBIC = "bicubic"


@dataclass(frozen=True)
class Model:
    """One network of a comparison.

    Attributes:
        name: in tables; no two models share it.
        group: the configuration; models of one group differ by their seed alone.
        seed: of its training (``manual_seed``), where known.
        file: its weights, "" for bicubic interpolation.
        sha256: of that file.
        network: name, width, scale, for people.
        parameters: how many numbers it learned.
        trained_on: families of degradations that its training used; None where nobody knows.
        training: what the weights say of their training: name, iteration, regularizer.
    """

    name: str
    group: str
    seed: int | None = None
    file: str = ""
    sha256: str = ""
    network: str = ""
    parameters: int = 0
    trained_on: tuple[str, ...] | None = None
    training: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class RecipeInfo:
    """One test degradation.

    Attributes:
        name: e.g. ``motion15``; "" for images that came as they are.
        families: what it is made of, e.g. ``("motion blur",)``; empty for downscaling alone.
        kind: "seen" where every network's training used all its families, "unseen" where each
            lacked at least one of them, "mixed" where networks differ, "real" without ground truth.
    """

    name: str
    families: tuple[str, ...] = ()
    kind: str = "seen"


@dataclass(frozen=True)
class DatasetInfo:
    """One folder of images.

    Attributes:
        name: in tables.
        root: the folder.
        images: name to width, height and SHA-256 of the pixels of its GT (of the image itself where
            there is none).
        paired: whether there is a ground truth.
    """

    name: str
    root: str
    images: Mapping[str, Mapping[str, Any]]
    paired: bool = True


@dataclass(frozen=True)
class Results:
    """A whole benchmark.

    Attributes:
        scale: of all networks.
        models: bicubic interpolation first.
        datasets: in the order given.
        recipes: in the order given.
        evaluations: one for each model and dataset, by their names.
        about: date, command, versions, device, seconds.
    """

    scale: int
    models: list[Model]
    datasets: list[DatasetInfo]
    recipes: list[RecipeInfo]
    evaluations: list[Evaluation]
    about: Mapping[str, Any] = field(default_factory=dict)

    def evaluation(self, model: str, dataset: str) -> Evaluation | None:
        """The scores of a model on a dataset."""
        for found in self.evaluations:
            if (found.model, found.dataset) == (model, dataset):
                return found
        return None

    @property
    def metrics(self) -> list[str]:
        """The labels of all metrics, in order of first appearance."""
        return list(dict.fromkeys(m for e in self.evaluations for m in e.metrics))

    def write(self, path: str | Path) -> None:
        """Write all of it as strict JSON, whole or not at all.

        Raises:
            OSError: the file cannot be written.
        """
        data = {
            "format": FORMAT,
            "about": dict(self.about),
            "scale": self.scale,
            "models": [asdict(one) for one in self.models],
            "datasets": [asdict(one) for one in self.datasets],
            "recipes": [asdict(one) for one in self.recipes],
            "evaluations": [one.to_dict() for one in self.evaluations],
        }
        text = json.dumps(data, indent=1, allow_nan=False, ensure_ascii=False)
        write_text(Path(path), text + "\n")

    @classmethod
    def read(cls, path: str | Path) -> Results:
        """The results of a file that ``write`` made.

        Raises:
            FileError: it cannot be read or is no such file.
        """
        try:
            data = json.loads(Path(path).read_text(encoding="utf-8"))
            if data["format"] != FORMAT:
                raise ValueError(f"format {data['format']!r}")
            return cls(
                scale=int(data["scale"]),
                models=[_model(one) for one in data["models"]],
                datasets=[DatasetInfo(**one) for one in data["datasets"]],
                recipes=[
                    RecipeInfo(one["name"], tuple(one["families"]), one["kind"])
                    for one in data["recipes"]
                ],
                evaluations=[Evaluation.from_dict(one) for one in data["evaluations"]],
                about=data["about"],
            )
        except OSError as error:
            raise FileError(path, f"cannot be read ({error.strerror})") from None
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise FileError(
                path, f"is not a file of benchmark results ({error})", "Benchmark again."
            ) from None


def _model(data: Mapping[str, Any]) -> Model:
    families = data["trained_on"]
    return Model(**{**data, "trained_on": None if families is None else tuple(families)})
