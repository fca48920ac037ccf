"""Several images of one size to the scores of several metrics, or to why there are none."""

from __future__ import annotations

import math
from collections.abc import Mapping

from torch import Tensor

from ..errors import AdasrError, FileError
from ..inference.memory import is_out_of_memory
from ..metrics import Metric, MetricError


def scored(
    metrics: Mapping[str, Metric], sr: Tensor, gt: Tensor | None
) -> list[tuple[dict[str, float], str]]:
    """For each image of a batch its values, and the problems of the metrics that have none.

    A metric that compares is left out where there is no ground truth.
    """
    found: list[dict[str, float]] = [{} for _ in sr]
    problems = [""] * len(sr)
    finite = [bool(image.isfinite().all()) for image in sr]
    taken = {label: m for label, m in metrics.items() if gt is not None or not m.needs_gt}
    for label, metric in taken.items():
        if all(finite):
            values, reasons = _batch_scores(label, metric, sr, gt)
        else:
            # A mean that left out an image that is not finite would praise a broken network.
            values: list[float | None] = [math.nan] * len(sr)
            reasons = [""] * len(sr)
            for index in (i for i, good in enumerate(finite) if good):
                part = None if gt is None else gt[index : index + 1]
                one, reason = _batch_scores(label, metric, sr[index : index + 1], part)
                values[index], reasons[index] = one[0], reason[0]
        for index, value in enumerate(values):
            if value is not None:
                found[index][label] = value
            problems[index] = joined(problems[index], reasons[index])
    for index in (i for i, good in enumerate(finite) if not good):
        problems[index] = "the network's output is not finite"
    return list(zip(found, problems, strict=True))


def _batch_scores(
    label: str, metric: Metric, sr: Tensor, gt: Tensor | None
) -> tuple[list[float | None], list[str]]:
    """The scores of one metric, None where there is none, and why."""
    try:
        return [*metric.batch(sr, gt)], [""] * len(sr)
    except MetricError as error:
        reason = reason_of(error)
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        reason = f"out of memory for {label}"
    if len(sr) == 1:
        return [None], [reason]
    # Something may be wrong with one of them only.
    parts = [
        _batch_scores(label, metric, sr[i : i + 1], None if gt is None else gt[i : i + 1])
        for i in range(len(sr))
    ]
    return [values[0] for values, _ in parts], [reasons[0] for _, reasons in parts]


def reason_of(error: AdasrError) -> str:
    """What is wrong, without the file, which is named beside it."""
    return error.problem if isinstance(error, FileError) else str(error).rstrip(".")


def joined(first: str, second: str) -> str:
    """Two problems, either of which may be none, as one text."""
    return "; ".join(part for part in (first, second) if part)
