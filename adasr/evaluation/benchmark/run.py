"""Models x datasets x degradations x metrics, each score taken once."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import filelock
import torch
from torch import nn

from ...errors import AdasrError, FileError
from ...inference.device import choose_device
from ...metrics import Metric
from ..results import Results
from ..scores import Evaluation, ImageScore
from ..testsets import default_cache
from ..training_families import families_of_training
from ..validate import ImageResult, Precision, evaluate
from .about import about_run, versions
from .journal import Journal, key_of
from .kinds import describe_recipes
from .models import Contestant, ModelFile, baseline, read_models
from .recipes import expand, families_of, presumed
from .saved import SavedImages
from .scoring import Scoring, make_scoring
from .sets import Sources, Subset, TestData, degraded, paired, real

_BATCH = 16
Tell = Callable[[str], None]


@dataclass(frozen=True)
class Settings:
    """How a benchmark is run; none of it changes a score but ``crop_border`` and ``precision``.

    Attributes:
        crop_border: pixels of each side that full-reference metrics leave out; None: the scale.
        device: "auto", "cpu", "cuda", "cuda:1", "mps".
        precision: of the networks.
        workers: threads that read images; None: by the machine.
        cache: folder of degraded test sets; None: the user's cache folder.
        fresh: score everything again.
        save_images: keep what the networks made.
        trained_on: families that networks are taken to be trained on whose files don't say; None:
            Real-ESRGAN's.
        groups: name of a group to a pattern of models' names.
        command: what a person typed, for the record.
    """

    crop_border: int | None = None
    device: str = "auto"
    precision: Precision = "fp32"
    workers: int | None = None
    cache: Path | None = None
    fresh: bool = False
    save_images: bool = False
    trained_on: tuple[str, ...] | None = None
    groups: Mapping[str, str] = field(default_factory=dict)
    command: str = ""


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
class Outcome:
    """What a run found out.

    Attributes:
        results: all of it; of an unfinished run what was scored.
        sets: the images.
        contestants: the networks, bicubic interpolation first.
        scoring: the metrics.
        ended: why it ended early; None when it did not, or a person wanted it.
        stopped: whether it ended early.
    """

    results: Results
    sets: list[TestData]
    contestants: list[Contestant]
    scoring: Scoring
    device: torch.device
    ended: AdasrError | None = None
    stopped: bool = False


def score(
    models: Sequence[ModelFile],
    sources: Sources,
    recipes: Sequence[str],
    metrics: Sequence[str] | None,
    out: Path,
    settings: Settings,
    tell: Tell,
    progress: Progress,
    stop: threading.Event,
) -> Outcome:
    """Score networks and bicubic interpolation; see ``run_benchmark``."""
    began = time.monotonic()
    sources.check()
    wanted = expand(recipes)
    device = choose_device(settings.device)
    workers = settings.workers or (1 if device.type == "cpu" else min(8, torch.get_num_threads()))
    scale, networks = read_models(models, settings.groups, families_of_training, tell)
    border = scale if settings.crop_border is None else settings.crop_border
    has_pairs = bool(sources.data or sources.pairs)
    scoring = make_scoring(metrics, border, has_pairs, bool(sources.real), tell)
    contestants = [baseline(scale), *networks]
    described = describe_recipes(
        wanted if sources.data else (),
        families_of,
        [one.model for one in contestants],
        presumed(scale) if settings.trained_on is None else settings.trained_on,
        bool(sources.real),
        bool(sources.pairs),
        tell,
    )
    with Journal(out, settings.fresh) as journal, exact(settings.precision):
        cache = settings.cache or default_cache()
        try:
            sets = _open(sources, wanted, scale, cache, tell, progress, stop)
        except Ended:
            raise KeyboardInterrupt from None  # nothing is scored that could be shown
        saved = SavedImages(out / "images") if settings.save_images else None
        run = _Run(
            journal, scoring, device, settings.precision, workers, saved, tell, progress, stop
        )
        ended = run.all(contestants, sets)
        evaluations = run.evaluations(contestants, sets)
    scored = {e.model for e in evaluations}
    results = Results(
        scale=scale,
        models=[one.model for one in contestants if one.model.name in scored],
        datasets=[one.info for one in sets],
        recipes=described,
        evaluations=evaluations,
        about=about_run(
            command=settings.command,
            device=device,
            precision=settings.precision,
            seconds=time.monotonic() - began,
            complete=ended is None,
            taken_over=run.taken_over,
            missing=scoring.missing,
        ),
    )
    reason = ended.reason if ended is not None else None
    return Outcome(results, sets, contestants, scoring, device, reason, ended is not None)


def _open(
    sources: Sources,
    recipes: Sequence[str],
    scale: int,
    cache: Path,
    tell: Tell,
    progress: Progress,
    stop: threading.Event,
) -> list[TestData]:
    names = sources.names()
    left = iter(names)

    def on_done(done: int, total: int) -> None:
        progress.prepared(name, done, total)
        if stop.is_set():
            raise Ended()

    sets = []
    for root in sources.data:
        name = next(left)
        sets.append(degraded(root, name, recipes, scale, cache, on_done, tell))
    for lq, gt in sources.pairs:
        name = next(left)
        sets.append(paired(lq, gt, name, scale, on_done))
    for root in sources.real:
        name = next(left)
        sets.append(real(root, name, on_done))
    for one in sets:
        for place, problem in one.problems.items():
            tell(f"failed: {one.info.name}, {place}: {problem}")
    return sets


@dataclass
class _Run:
    journal: Journal
    scoring: Scoring
    device: torch.device
    precision: Precision
    workers: int
    saved: SavedImages | None
    tell: Tell
    progress: Progress
    stop: threading.Event
    taken_over: int = 0
    failures: dict[tuple[str, str], dict[str, str]] = field(default_factory=dict)

    def all(self, contestants: Sequence[Contestant], sets: Sequence[TestData]) -> Ended | None:
        """Score all that the journal does not hold; why it ended early, if it did."""
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

    def evaluations(
        self, contestants: Sequence[Contestant], sets: Sequence[TestData]
    ) -> list[Evaluation]:
        """What is known now, also from earlier runs."""
        found = []
        for contestant in contestants:
            for data in sets:
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
                    if how := self.journal.how(network, key):
                        one.notes[_place(name, recipe)] = how
                if one.scores or one.failures:
                    found.append(one)
        return found

    def _metrics(self, data: TestData) -> dict[str, Metric]:
        return self.scoring.paired if data.info.paired else self.scoring.real

    def _network_key(self, contestant: Contestant) -> str:
        return key_of(
            network=contestant.key,
            precision=self.precision,
            device=self.device.type,
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

        # Small images do not fill a GPU; a CPU takes them one by one, while they fit in its caches.
        batch_size = 1 if self.device.type == "cpu" else _BATCH
        while left:
            try:
                evaluate(
                    network,
                    Subset(data.items, list(left)),
                    metrics,
                    device=self.device,
                    precision=self.precision,
                    save_dir=self.saved.folder(contestant, data) if self.saved else None,
                    on_image=on_image,
                    model=model,
                    dataset_name=dataset,
                    workers=self.workers,
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


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """The folder for this process alone.

    Raises:
        FileError: another one works in it, or it cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(folder / ".lock", timeout=0):
            yield
    except filelock.Timeout:
        hint = "Wait for it, or give another folder with -o."
        raise FileError(folder, "is being written to by another benchmark", hint) from None
    except FileExistsError:
        raise FileError(folder, "is a file", "Give a folder with -o.") from None


@contextlib.contextmanager
def exact(precision: str) -> Iterator[None]:
    """Float32 that is float32: GPUs would round the factors of convolutions to 10 bits (TF32)."""
    if precision != "fp32" or not torch.cuda.is_available():
        yield
        return
    held = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = held
