"""``adasr check``: everything that can fail before training, found without starting it."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from ..errors import TrainingError
from ..evaluation.build import make_datasets, make_metrics
from ..evaluation.validate import evaluate
from ..options import Options, check_paths
from ..weights import build_network
from .build import make_training_set
from .checkpoint import load_state
from .log import read_metrics
from .run import run_training

_TRIAL_ITERATIONS = 3


def check_training(options: Options, tell: Callable[[str], None]) -> bool:
    """Decode every file, build every part, score an image of each set and train for trial.

    The trial runs three iterations with the real network, batch size and precision, in a temporary
    folder where the experiment would be written.

    Args:
        options: checked options.
        tell: takes lines for a person.

    Returns:
        Whether every file can be read and every metric be taken.

    Raises:
        AdasrError: what would have ended the training before or in its first iterations.
    """
    options.require_train()
    check_paths(options, "train")
    if options.path.resume_state is not None:
        load_state(options.path.resume_state)
    scored = make_datasets(options, options.validation_datasets)
    datasets: dict[str, Any] = {"train": make_training_set(options), **scored}
    whole = True
    for name, dataset in datasets.items():
        problems = dataset.problems()
        for path, problem in problems:
            tell(f"{name}: {problem}" if str(path) in problem else f"{name}: {path}: {problem}")
        whole = whole and not problems
        count = len(getattr(dataset, "files", dataset))
        tell(f"{name}: {count} images, {len(problems)} cannot be read")
    whole = _scores(options, scored, tell) and whole
    seconds, total = _trial(options), options.train.total_iter
    tell(f"one iteration: {seconds:.3g} s; {total} take {total * seconds / 3600:.3g} h")
    tell(f"peak memory: {_peak_memory() / 2**30:.2f} GiB")
    tell("ready to train" if whole else "not all is well, see above; unreadable files are skipped")
    return whole


def _scores(options: Options, datasets: Mapping[str, Any], tell: Callable[[str], None]) -> bool:
    """Score the first image of each dataset with an untrained network."""
    metrics = make_metrics(options, tell)
    with options.at("network_g"):
        network = build_network(options.network_g.options)
    failures: dict[str, str] = {}
    for name, dataset in datasets.items():
        found = evaluate(network, _First(dataset), metrics)
        failures |= {f"{name}: {image}": problem for image, problem in found.failures.items()}
    for place, problem in failures.items():
        tell(f"{place}: {problem}")
    tell(f"metrics: {', '.join(metrics) or 'none'}")
    return not failures


class _First:
    """The first image of a dataset."""

    def __init__(self, dataset: Any) -> None:
        self.dataset = dataset

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> Any:
        return self.dataset[index]


def _trial(options: Options) -> float:
    """Seconds of the last iteration of a short run through the real loop."""
    root = options.path.experiments_root.absolute()
    while not root.exists():
        root = root.parent
    try:
        temporary = tempfile.TemporaryDirectory(prefix=".adasr-check-", dir=root)
    except OSError as error:
        raise TrainingError(
            f"{options.path.experiments_root}: cannot be written ({error.strerror}). Choose "
            "another place with path.experiments_root."
        ) from None
    with temporary as folder:
        run_training(_shortened(options, Path(folder)), quiet=True)
        records = read_metrics(Path(folder) / options.name)
    if not records:
        raise TrainingError(
            "no iteration of the trial had a finite loss and gradient. Try a smaller learning "
            "rate, train.grad_clip, or train.precision: fp32."
        )
    return 1.0 / records[-1]["iterations_per_second"]


def _shortened(options: Options, folder: Path) -> Options:
    """The same run, a few iterations long, in ``folder``, without validation and outside logs."""
    # With a discriminator, both networks in every iteration.
    trial = {"total_iter": _TRIAL_ITERATIONS, "net_d_iters": 1, "net_d_init_iters": 0}
    train = options.train.model_copy(update=trial)
    path = options.path.model_copy(update={"experiments_root": folder, "resume_state": None})
    logger = options.logger.model_copy(
        update={"use_tb_logger": False, "wandb": None, "print_freq": 1}
    )
    changes = {"train": train, "path": path, "logger": logger, "val": None}
    return options.model_copy(update=changes)


def _peak_memory() -> int:
    """Bytes at the highest point so far: of the GPU where there is one, else of this process."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    if os.name == "nt":
        import psutil

        return psutil.Process().memory_info().peak_wset
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
