"""A network, a test set, metrics -> scores. Leaves no trace in the network or the random state."""

from __future__ import annotations

import contextlib
import itertools
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, Protocol

import torch
from torch import Tensor, nn

from ..errors import AdasrError, FileError, ImageWriteError
from ..inference.memory import is_out_of_memory
from ..inference.tiles import pad_to_multiple
from ..metrics import Metric, MetricError
from ..weights.build import evaluation_mode
from .baseline import Bicubic
from .scores import Evaluation, ImageScore

Precision = Literal["fp32", "bf16", "fp16"]
_DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


class ImagePairs(Protocol):
    """A test set: items are whole image pairs.

    An item has "lq" (3, h, w) and "gt" (3, H, W), float32 in [0, 1], "name" and "recipe".
    """

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Mapping[str, Any]: ...


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
) -> Evaluation:
    """Score ``network`` on every image of ``dataset``.

    The network runs in evaluation mode on whole images; afterwards each of its modules is back in
    the mode it was in. No random number is drawn from the global generators, so a training run is
    the same with and without it. An image that cannot be read, scored, saved or held in memory is
    named in ``Evaluation.failures`` and the others go on. An output that is not finite scores NaN.

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

    Raises:
        AdasrError: the network's scale is not the dataset's.
    """
    device = torch.device(device) if device is not None else _device_of(network)
    network.to(device)
    result = _empty(model, dataset_name, metrics, baseline)
    with evaluation_mode(network):
        for done in _results(network, dataset, metrics, device, precision, result.baseline):
            problem = done.problem
            if done.sr is not None:
                result.scores.append(ImageScore(done.name, done.recipe, done.values))
                if save_dir is not None:
                    problem = _joined(problem, _save(done, Path(save_dir)))
            if problem:
                result.failures[_place(done)] = problem
            if on_image is not None:
                on_image(replace(done, problem=problem))
    return result


def restore(network: nn.Module, lq: Tensor, precision: Precision = "fp32") -> Tensor:
    """``network`` on one whole image, float32, not clamped.

    The image is padded at its right and bottom to the network's ``size_multiple`` and the result
    cropped. An output in bf16 or fp16 that is not finite is computed again in fp32.

    Args:
        network: (1, 3, h, w) to (1, 3, h * upscale, w * upscale).
        lq: (3, h, w) on the network's device.
        precision: of the computation.
    """
    height, width = lq.shape[-2:]
    padded = pad_to_multiple(
        lq[None],
        int(getattr(network, "size_multiple", 1)),
        int(getattr(network, "size_minimum", 1)),
    )
    with torch.no_grad(), _autocast(lq.device, precision):
        sr = network(padded).float()
    if precision != "fp32" and not sr.isfinite().all():
        return restore(network, lq)
    scale = sr.shape[-1] // padded.shape[-1]
    return sr[0, :, : height * scale, : width * scale]


def _results(
    network: nn.Module,
    dataset: ImagePairs,
    metrics: Mapping[str, Metric],
    device: torch.device,
    precision: Precision,
    baseline: Evaluation | None,
) -> Iterator[ImageResult]:
    total = len(dataset)
    for index in range(total):
        try:
            item = dataset[index]
        except AdasrError as error:
            name = str(error.path) if isinstance(error, FileError) else f"image {index}"
            yield ImageResult(index, total, name, problem=_reason(error))
            continue
        lq, gt = item["lq"], item["gt"]
        done = ImageResult(index, total, item["name"], item["recipe"], lq=lq, gt=gt)
        try:
            sr = restore(network, lq.to(device), precision)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            height, width = lq.shape[-2:]
            yield replace(done, problem=f"out of memory for an LQ of {width}x{height}")
            continue
        _check_scale(lq, sr, gt)
        values, problem = _scored(metrics, sr, gt.to(device))
        yield replace(done, values=values, problem=problem, sr=sr.cpu())
        if baseline is not None:
            enlarged = Bicubic(gt.shape[-1] // lq.shape[-1])(lq[None])[0]
            values, _ = _scored(metrics, enlarged.to(device), gt.to(device))
            baseline.scores.append(ImageScore(item["name"], item["recipe"], values))


def _scored(metrics: Mapping[str, Metric], sr: Tensor, gt: Tensor) -> tuple[dict[str, float], str]:
    """The values, and the problems of the metrics that have none."""
    values, problem = {}, ""
    if not sr.isfinite().all():
        # A mean that left this image out would praise a broken network.
        return dict.fromkeys(metrics, math.nan), "the network's output is not finite"
    for label, metric in metrics.items():
        try:
            values[label] = metric(sr, gt)
        except MetricError as error:
            problem = _joined(problem, _reason(error))
    return values, problem


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


def _autocast(
    device: torch.device, precision: Precision
) -> contextlib.AbstractContextManager[object]:
    # Off for fp32 too: the caller's own autocast must not reach the scores.
    return torch.autocast(device.type, dtype=_DTYPES.get(precision), enabled=precision in _DTYPES)


def _device_of(network: nn.Module) -> torch.device:
    tensor = next(itertools.chain(network.parameters(), network.buffers()), None)
    return tensor.device if tensor is not None else torch.device("cpu")


def _place(done: ImageResult) -> str:
    return f"{done.name} ({done.recipe})" if done.recipe else done.name


def _reason(error: AdasrError) -> str:
    return error.problem if isinstance(error, FileError) else str(error).rstrip(".")


def _joined(first: str, second: str) -> str:
    return "; ".join(part for part in (first, second) if part)


def _size(image: Tensor) -> str:
    return f"{image.shape[-1]}x{image.shape[-2]}"
