"""The folder of an experiment: one run at a time works in it, and older ones make room."""

from __future__ import annotations

import contextlib
import datetime
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from accelerate import Accelerator
from accelerate.utils import broadcast_object_list
from filelock import FileLock, Timeout

from ..errors import TrainingError


@contextlib.contextmanager
def only_run(folder: Path, accelerator: Accelerator) -> Iterator[None]:
    """Hold the experiment's folder, so that two runs never write over each other."""
    lock = FileLock(folder.parent / f".{folder.name}.lock", timeout=0)
    problem = ""
    if accelerator.is_main_process:
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            lock.acquire()
        except Timeout:
            problem = f"{folder}: another training works there now. Wait for it, or change 'name'."
        except (OSError, NotImplementedError) as error:  # a file system without locks
            reason = getattr(error, "strerror", None) or error
            problem = (
                f"{folder.parent}: cannot be written ({reason}). Choose another place with "
                "path.experiments_root."
            )
    # Every process must hear of it, or the others would wait for the first one for ever.
    (problem,) = broadcast_object_list([problem])
    if problem:
        raise TrainingError(problem)
    try:
        yield
    finally:
        lock.release()


@contextlib.contextmanager
def place(folder: Path, anew: bool, accelerator: Accelerator) -> Iterator[Callable[[], None]]:
    """A run's folder: for one that starts anew, an older experiment there is renamed.

    Unless the function that it gives is called the older one gets its name back: a start that is
    refused must not hide it from ``auto_resume``.
    """
    archived: Path | None = None
    if anew and accelerator.is_main_process and folder.exists() and any(folder.iterdir()):
        stamp = datetime.datetime.now().strftime("%Y%m%d_%H%M%S")
        archived = folder.with_name(f"{folder.name}_archived_{stamp}")
        folder.rename(archived)
        print(f"{folder} is there already; renamed to {archived}.")
    accelerator.wait_for_everyone()
    has_begun = False

    def begun() -> None:
        nonlocal has_begun
        has_begun = True

    try:
        yield begun
    finally:
        if archived is not None and not has_begun:
            shutil.rmtree(folder, ignore_errors=True)
            archived.rename(folder)
            print(f"The training does not start; {folder} has its name back.")
