"""``adasr cache``: the training set's decoded images, made before the training."""

from __future__ import annotations

import os

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ..errors import OptionError
from ..options import Options, check_paths
from .build import make_training_set

# Of torchrun and accelerate; of Intel's MPI, Open MPI and MVAPICH, which accelerate knows too.
_LOCAL_RANKS = (
    "LOCAL_RANK",
    "MPI_LOCALRANKID",
    "OMPI_COMM_WORLD_LOCAL_RANK",
    "MV2_COMM_WORLD_LOCAL_RANK",
)


def wants_cache(options: Options) -> bool:
    """Whether the training set asks for a cache that is made beforehand."""
    train = options.datasets.train
    return train is not None and train.arguments.get("cache") == "disk"


def build_cache(options: Options) -> list[str]:
    """Build the cache of the training set, or find that it is there and fits, and tell so.

    Of several processes on a machine the first builds it and tells; the others do nothing, and in
    a training wait for it where they join. Machines that share a disk wait for each other.

    Args:
        options: checked options.

    Returns:
        The lines that were told, for the log of a training.

    Raises:
        OptionError: the training set asks for none; a folder is missing.
        DatasetError: there is no space for it, or it cannot be written.
    """
    options.require_train()
    check_paths(options, "train")
    if not wants_cache(options):
        fault = OptionError(
            "asks for no cache that could be built.",
            ("datasets", "train", "cache"),
            "Write cache: disk, or add --set datasets.train.cache=disk.",
        )
        raise options.source.error([fault])
    if not _first_here():
        return []
    training_set = make_training_set(options)
    console, told = Console(highlight=False, soft_wrap=True), []

    def tell(line: str) -> None:
        told.append(line)
        console.print(line, markup=False)

    with Progress(
        TextColumn("decoding"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
        transient=True,
    ) as bar:
        task = bar.add_task("", total=None)
        training_set.open_cache(
            lambda done, total: bar.update(task, completed=done, total=total), tell
        )
    return told


def _first_here() -> bool:
    """Whether no other process of the training on this machine comes first."""
    return all(os.environ.get(name, "0") == "0" for name in _LOCAL_RANKS)
