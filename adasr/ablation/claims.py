"""Who trains which run: locks, so that several processes or machines share one ablation."""

from __future__ import annotations

from filelock import FileLock, Timeout

from ..errors import TrainingError
from .plan import Run


def claim(run: Run) -> FileLock | None:
    """A lock on ``run``, to be released after it; None where somebody works on it.

    Raises:
        TrainingError: the folder cannot be written.
    """
    lock = FileLock(run.root / "plan" / f".{run.name}.lock", timeout=0)
    try:
        lock.acquire()
    except Timeout:
        return None
    except (OSError, NotImplementedError) as error:
        reason = getattr(error, "strerror", None) or error
        raise TrainingError(
            f"{run.root}: cannot be written ({reason}). Choose another place with --set "
            "path.experiments_root=FOLDER."
        ) from None
    if _is_trained(run):
        lock.release()
        return None
    return lock


def _is_trained(run: Run) -> bool:
    """Whether a training started by hand, or one whose ablation was killed, holds the folder."""
    lock = FileLock(run.folder.parent / f".{run.folder.name}.lock", timeout=0)
    try:
        lock.acquire()
    except Timeout:
        return True
    except (OSError, NotImplementedError):
        return False  # the training itself will say so
    lock.release()
    return False
