"""``adasr cache``: the training set's decoded images, made before the training."""

from __future__ import annotations

import os

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ..errors import OptionError
from ..options import Options, check_paths
from .build import make_training_set


def wants_cache(options: Options) -> bool:
    """Whether the training set asks for a cache that is made beforehand."""
    train = options.datasets.train
    return train is not None and train.arguments.get("cache") == "disk"


def build_cache(options: Options) -> None:
    """Build the cache of the training set, or find that it is there and fits, and tell so.

    Of several processes one builds it and tells, the others wait.

    Args:
        options: checked options.

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
    training_set = make_training_set(options)
    first = os.environ.get("LOCAL_RANK", "0") == "0"
    console = Console(highlight=False, soft_wrap=True, quiet=not first)
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
            lambda done, total: bar.update(task, completed=done, total=total),
            lambda line: console.print(line, markup=False),
        )
