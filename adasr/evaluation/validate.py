"""A network, a test set, metrics -> scores. Leaves no trace in the network or the random state."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from ..errors import AdasrError, FileError, ImageWriteError
from ..inference.memory import is_out_of_memory
from ..metrics import Metric
from ..weights.build import evaluation_mode
from .baseline import Bicubic
from .loading import ImagePairs, Loaded, alike, load
from .restoring import Precision, Restorer
from .scores import Evaluation, ImageScore
from .scoring import joined, reason_of, scored


@dataclass(frozen=True)
class ImageResult:
    """What became of one image, for progress bars and pictures.

    Attributes:
        index: place in the dataset, from 0.
        total: length of the dataset.
        name: the image's name; the file's path when it could not be read.
        recipe: how its LQ was made.
        values: metric label to score.
        problem: why it was skipped or scored in part; "" when all went well.
        lq: (3, h, w), None when it could not be read.
        gt: (3, H, W), None when it could not be read.
        sr: (3, H, W) as the network gave it, not clamped; None when there is none.
        how: how ``sr`` was made, e.g. in tiles; "" when of the whole image.
    """

    index: int
    total: int
    name: str
    recipe: str = ""
    values: Mapping[str, float] = field(default_factory=dict)
    problem: str = ""
    lq: Tensor | None = None
    gt: Tensor | None = None
    sr: Tensor | None = None
    how: str = ""


def evaluate(
    network: nn.Module,
    dataset: ImagePairs,
    metrics: Mapping[str, Metric],
    *,
    device: torch.device | str | None = None,
    precision: Precision = "fp32",
    save_dir: str | Path | None = None,
    on_image: Callable[[ImageResult], None] | None = None,
    baseline: bool = False,
    model: str = "",
    dataset_name: str = "",
    workers: int | None = None,
    batch_size: int = 1,
    tile: int | Literal["auto"] = 0,
) -> Evaluation:
    """Score ``network`` on every image of ``dataset``.

    The network runs in evaluation mode; afterwards each of its modules is back in the mode it was
    in. No random number is drawn from the global generators, so a training run is the same with and
    without it. An image that cannot be read, scored, saved or held in memory is named in
    ``Evaluation.failures`` and the others go on. An output that is not finite scores NaN. Images
    without a ground truth get the scores of metrics that need none.

    Args:
        network: (1, 3, h, w) to (1, 3, H, W), RGB in [0, 1].
        dataset: a test set.
        metrics: label to metric.
        device: where to compute (the network is moved there); by default where the network is.
        precision: of the network; an output that is not finite is computed again in fp32.
        save_dir: folder for the restored images, ``<recipe>/<name>.png``.
        on_image: called after every image.
        baseline: also score bicubic interpolation, as ``Evaluation.baseline``.
        model: what the network is called in tables.
        dataset_name: what the dataset is called in tables.
        workers: threads that read images ahead; by default one where the network is not on the
            CPU, which it would take from the network.
        batch_size: neighbours of one size that go through network and metrics together.
        tile: 0 takes images whole; "auto" takes tiles where memory does not hold the whole; see
            ``Restorer``. Images that were cut are named in ``Evaluation.notes``.

    Raises:
        AdasrError: the network's scale is not the dataset's.
    """
    place = torch.device(device) if device is not None else _device_of(network)
    network.to(place)
    if workers is None:
        workers = 0 if place.type == "cpu" else 1
    result = _empty(model, dataset_name, metrics, baseline)
    restorer = Restorer(network, place, precision, tile)
    run = _Run(restorer, metrics, result.baseline, len(dataset))
    with (
        evaluation_mode(network),
        contextlib.closing(load(dataset, workers)) as items,
        contextlib.closing(run.results(items, batch_size)) as results,
    ):
        for done in results:
            problem = done.problem
            if done.sr is not None:
                result.scores.append(ImageScore(done.name, done.recipe, done.values))
                if save_dir is not None:
                    problem = joined(problem, _save(done, Path(save_dir)))
            if problem:
                result.failures[_place(done)] = problem
            if done.how:
                result.notes[_place(done)] = done.how
            if on_image is not None:
                on_image(replace(done, problem=problem))
    return result


class _Run:
    """Images of one dataset on their way through a network and metrics."""

    def __init__(
        self,
        restorer: Restorer,
        metrics: Mapping[str, Metric],
        baseline: Evaluation | None,
        total: int,
    ) -> None:
        self.restorer, self.metrics, self.baseline, self.total = restorer, metrics, baseline, total

    def results(self, items: Iterator[Loaded], batch_size: int) -> Generator[ImageResult]:
        """What becomes of each image, in the dataset's order."""
        for group in alike(items, batch_size):
            if group[0].item is None:
                for loaded in group:
                    yield self._unread(loaded)
            else:
                yield from self._group(group)

    def _group(self, group: list[Loaded]) -> Iterator[ImageResult]:
        started = [self._started(loaded) for loaded in group]
        lq, gt = (_stack([getattr(one, name) for one in started]) for name in ("lq", "gt"))
        assert lq is not None
        try:
            sr, how = self.restorer(lq)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            sr, how = None, ""
        if sr is None:  # outside the except, which keeps the failed tensors alive
            if len(group) > 1:
                for loaded in group:
                    yield from self._group([loaded])
            else:
                problem = f"out of memory for an LQ of {_size(lq)}"
                yield replace(started[0], problem=problem)
            return
        if gt is not None:
            _check_scale(lq, sr, gt)
            gt = gt.to(sr.device)
        scores = scored(self.metrics, sr, gt)
        parts = list(sr.cpu())
        upscale, device = sr.shape[-1] // lq.shape[-1], sr.device
        del sr
        for one, part, (values, problem) in zip(started, parts, scores, strict=True):
            yield replace(one, values=values, problem=problem, sr=part, how=how)
        del parts
        if self.baseline is not None:
            enlarged = Bicubic(upscale)(lq).to(device)
            for one, (values, _) in zip(started, scored(self.metrics, enlarged, gt), strict=True):
                self.baseline.scores.append(ImageScore(one.name, one.recipe, values))

    def _started(self, loaded: Loaded) -> ImageResult:
        item = loaded.item
        assert item is not None
        return ImageResult(
            loaded.index,
            self.total,
            item["name"],
            item["recipe"],
            lq=item["lq"],
            gt=item.get("gt"),
        )

    def _unread(self, loaded: Loaded) -> ImageResult:
        error = loaded.error
        assert error is not None
        name = str(error.path) if isinstance(error, FileError) else f"image {loaded.index}"
        return ImageResult(loaded.index, self.total, name, problem=reason_of(error))


def _stack(images: list[Tensor | None]) -> Tensor | None:
    held = [image for image in images if image is not None]
    if not held:
        return None
    return held[0][None] if len(held) == 1 else torch.stack(held)


def _check_scale(lq: Tensor, sr: Tensor, gt: Tensor) -> None:
    if sr.shape != gt.shape:
        raise AdasrError(
            f"the network turns an image of {_size(lq)} into {_size(sr)}, but its ground truth has "
            f"{_size(gt)}. Use weights of the dataset's scale, or the data of the network's."
        )


def _save(done: ImageResult, folder: Path) -> str:
    """Write the restored image; the reason when that fails."""
    from ..data.images import to_image, write_image

    assert done.sr is not None
    # Joined as text: a name such as "img.v2" has no suffix to replace.
    path = folder / done.recipe / f"{done.name}.png"
    try:
        write_image(path, to_image(done.sr))
    except ImageWriteError as error:
        return str(error)
    return ""


def _empty(model: str, dataset: str, metrics: Mapping[str, Metric], baseline: bool) -> Evaluation:
    return Evaluation(
        model,
        dataset,
        {label: metric.protocol() for label, metric in metrics.items()},
        {label: metric.higher_is_better for label, metric in metrics.items()},
        baseline=_empty("bicubic", dataset, metrics, False) if baseline else None,
    )


def _device_of(network: nn.Module) -> torch.device:
    tensor = next(itertools.chain(network.parameters(), network.buffers()), None)
    return tensor.device if tensor is not None else torch.device("cpu")


def _place(done: ImageResult) -> str:
    return f"{done.name} ({done.recipe})" if done.recipe else done.name


def _size(image: Tensor) -> str:
    return f"{image.shape[-1]}x{image.shape[-2]}"
