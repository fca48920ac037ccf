"""``adasr check``: everything that can fail before training, found without starting it."""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from ..evaluation.build import make_datasets, make_metrics
from ..options import Options
from .run import make_training_set, run_training


def check_training(options: Options, tell: Callable[[str], None]) -> bool:
    """Decode every file of every dataset, build every part, and train two iterations for trial.

    The trial runs with the real network, batch size and precision in a temporary folder.

    Args:
        options: checked options.
        tell: takes lines for a person.

    Returns:
        Whether every file can be read.

    Raises:
        AdasrError: what would have ended the training before or in its first iterations.
    """
    options.require_train()
    whole = True
    scored = make_datasets(options, options.datasets.scored)
    datasets: dict[str, Any] = {"train": make_training_set(options), **scored}
    for name, dataset in datasets.items():
        problems = dataset.problems()
        for _, problem in problems:
            tell(f"{name}: {problem}")
        whole = whole and not problems
        tell(f"{name}: {len(dataset)} images, {len(problems)} cannot be read")
    metrics = make_metrics(options, tell)
    tell(f"metrics: {', '.join(metrics) or 'none'}")
    seconds = _trial(options)
    total = options.train.total_iter
    tell(f"one iteration: {seconds:.2f} s; {total} take {total * seconds / 3600:.1f} h")
    tell(f"peak memory: {_peak_memory() / 2**30:.2f} GiB")
    tell("ready to train" if whole else "the files above will be skipped in training")
    return whole


def _trial(options: Options) -> float:
    """Seconds of the second of two iterations, run through the real loop."""
    with tempfile.TemporaryDirectory(prefix="adasr-check-") as folder:
        begin = time.perf_counter()
        run_training(_shortened(options, Path(folder)))
        return (time.perf_counter() - begin) / 2


def _shortened(options: Options, folder: Path) -> Options:
    """The same run, two iterations long, in ``folder``, without validation and outside logs."""
    return options.model_copy(
        update={
            "train": options.train.model_copy(update={"total_iter": 2}),
            "path": options.path.model_copy(
                update={"experiments_root": folder, "resume_state": None}
            ),
            "logger": options.logger.model_copy(update={"use_tb_logger": False, "wandb": None}),
            "val": None,
        }
    )


def _peak_memory() -> int:
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
