"""Every network on every image, under every metric that it has no score of yet."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

from torch import nn

from ...errors import AdasrError, FileError
from ...metrics import Metric
from ..scores import Evaluation, ImageScore
from ..validate import ImageResult, evaluate
from .about import versions
from .journal import Journal, key_of
from .models import Contestant
from .plan import Plan, Tell
from .saved import SavedImages
from .sets import Subset, TestData

_NOT_FINITE = "the network's output is not finite"


class Progress:
    """What a benchmark tells of its course; a silent one."""

    def prepared(self, dataset: str, done: int, total: int) -> None:
        """``done`` of the images of a test set are read and degraded."""

    def start(self, total: int) -> None:
        """There are ``total`` images to score, those of each model counted."""

    def step(self, model: str, dataset: str) -> None:
        """One is done."""


class Ended(Exception):
    """The run has to end early; ``reason`` is None where a person wanted it."""

    def __init__(self, reason: AdasrError | None = None) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass
class Scorer:
    """A benchmark while it runs.

    Attributes:
        plan: what to do.
        sets: the images.
        journal: the scores that are known.
        saved: where restored images go, if anywhere.
        tell: takes lines for a person.
        progress: is told how far it is.
        stop: ends the run after the current image.
        taken_over: images with all their scores from earlier runs, those of each model counted.
    """

    plan: Plan
    sets: Sequence[TestData]
    journal: Journal
    saved: SavedImages | None
    tell: Tell
    progress: Progress
    stop: threading.Event
    taken_over: int = 0
    failures: dict[tuple[str, str], dict[str, str]] = field(default_factory=dict)

    def all(self) -> Ended | None:
        """Score all that the journal does not hold; why it ended early, if it did."""
        contestants, sets = self.plan.contestants, self.sets
        plan = {(c.model.name, s.info.name): self._missing(c, s) for c in contestants for s in sets}
        total = sum(len(index) for parts in plan.values() for index in parts.values())
        self.taken_over = len(contestants) * sum(len(s.items) for s in sets) - total
        if self.taken_over:
            self.tell(f"{self.taken_over} of {self.taken_over + total} images are scored already.")
        self.progress.start(total)
        try:
            for contestant in contestants:
                parts = [(s, plan[contestant.model.name, s.info.name]) for s in sets]
                if not any(todo for _, todo in parts):
                    continue
                network = contestant.load()
                for data, todo in parts:
                    for labels, index in todo.items():
                        self._score(contestant, network, data, labels, index)
        except Ended as ended:
            return ended
        return None

    def evaluations(self) -> list[Evaluation]:
        """What is known now, also from earlier runs."""
        found = []
        for contestant in self.plan.contestants:
            for data in self.sets:
                metrics = self._metrics(data)
                protocols = {label: metric.protocol() for label, metric in metrics.items()}
                keys = {label: key_of(**protocol) for label, protocol in protocols.items()}
                place = (contestant.model.name, data.info.name)
                failures = {**data.problems, **self.failures.get(place, {})}
                one = Evaluation(
                    contestant.model.name,
                    data.info.name,
                    protocols,
                    {label: metric.higher_is_better for label, metric in metrics.items()},
                    failures=failures,
                )
                network = self._network_key(contestant)
                for (name, recipe), key in zip(data.places, data.keys, strict=True):
                    held = self.journal.get(network, key)
                    values = {k: held[keys[k]] for k in metrics if keys[k] in held}
                    if values:
                        one.scores.append(ImageScore(name, recipe, values))
                    if any(map(math.isnan, values.values())):  # also in an earlier run
                        failures.setdefault(_place(name, recipe), _NOT_FINITE)
                    if how := self.journal.how(network, key):
                        one.notes[_place(name, recipe)] = how
                if one.scores or one.failures:
                    found.append(one)
        return found

    def _metrics(self, data: TestData) -> dict[str, Metric]:
        return self.plan.scoring.paired if data.info.paired else self.plan.scoring.real

    def _network_key(self, contestant: Contestant) -> str:
        return key_of(
            network=contestant.key,
            precision=self.plan.settings.precision,
            device=self.plan.device.type,
            versions={name: versions()[name] for name in ("adasr", "torch")},
        )

    def _missing(self, contestant: Contestant, data: TestData) -> dict[tuple[str, ...], list[int]]:
        """Which metrics are to be taken of which images."""
        metrics, network = self._metrics(data), self._network_key(contestant)
        keys = {label: key_of(**metric.protocol()) for label, metric in metrics.items()}
        parts: dict[tuple[str, ...], list[int]] = {}
        unsaved = None
        if self.saved is not None:
            unsaved = self.saved.missing(contestant, network, data)
        for index, key in enumerate(data.keys):
            held = self.journal.get(network, key)
            labels = tuple(label for label in metrics if keys[label] not in held)
            if not labels and unsaved is not None and index in unsaved:
                labels = tuple(metrics)
            if labels:
                parts.setdefault(labels, []).append(index)
        return parts

    def _score(
        self,
        contestant: Contestant,
        network: nn.Module,
        data: TestData,
        labels: tuple[str, ...],
        index: Sequence[int],
    ) -> None:
        metrics = {label: self._metrics(data)[label] for label in labels}
        keys = {label: key_of(**metric.protocol()) for label, metric in metrics.items()}
        network_key = self._network_key(contestant)
        model, dataset = contestant.model.name, data.info.name
        failures = self.failures.setdefault((model, dataset), {})
        left = list(index)

        def on_image(done: ImageResult) -> None:
            item = left.pop(0)
            if done.problem:
                self._failed(model, data, item, done.problem)
            values = {keys[label]: value for label, value in done.values.items()}
            try:
                self.journal.put(network_key, data.keys[item], values, done.how)
            except FileError as error:
                raise Ended(error) from None
            self.progress.step(model, dataset)
            if self.stop.is_set():
                raise Ended()

        batch_size = self.plan.batch_size
        while left:
            try:
                evaluate(
                    network,
                    Subset(data.items, list(left)),
                    metrics,
                    device=self.plan.device,
                    precision=self.plan.settings.precision,
                    save_dir=self.saved.folder(contestant, data) if self.saved else None,
                    on_image=on_image,
                    model=model,
                    dataset_name=dataset,
                    workers=self.plan.workers,
                    batch_size=batch_size,
                    tile="auto",
                )
            except (AdasrError, RuntimeError, ValueError) as error:
                # A network that refuses one image, by its size, still has its score on the others.
                if not left:
                    raise
                if batch_size > 1:
                    batch_size = 1  # to find out which
                    continue
                self._failed(model, data, left.pop(0), str(error).partition("\n")[0])
                self.progress.step(model, dataset)
        if not failures:
            del self.failures[model, dataset]

    def _failed(self, model: str, data: TestData, item: int, problem: str) -> None:
        place = _place(*data.places[item])
        self.failures[model, data.info.name][place] = problem
        self.tell(f"failed: {model} on {data.info.name}, {place}: {problem}")


def _place(name: str, recipe: str) -> str:
    return f"{name} ({recipe})" if recipe else name
