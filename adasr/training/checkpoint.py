"""Training states: whole or not there, safe to read, and the last readable one is found."""

from __future__ import annotations

import contextlib
import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..errors import TrainingError, WeightsError
from ..files import atomic_path

STATE = r"(\d+)\.state"
WEIGHTS = r"net_g_(\d+)\.safetensors"
DISCRIMINATORS = r"net_d_(\d+)\.safetensors"


def save_state(path: Path, state: dict[str, Any]) -> None:
    """Write a training state (tensors, numbers, strings, lists and dicts of them) atomically.

    Raises:
        TrainingError: the disk is full or the place cannot be written; earlier states are kept.
    """
    with explained(path), atomic_path(path) as temporary:
        torch.save(state, temporary)


@contextlib.contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn a failed write of ``path`` into a message that says what is kept.

    Raises:
        TrainingError: the disk is full or the place cannot be written; earlier files are kept.
    """
    try:
        yield
    except (OSError, RuntimeError) as error:  # torch reports a full disk as a RuntimeError
        reason = getattr(error, "strerror", None) or error
        raise TrainingError(
            f"{path}: cannot be saved ({reason}). Free some space or choose another place; "
            "the checkpoints saved before are untouched, and --auto-resume goes on from the last."
        ) from error


def load_state(path: Path) -> dict[str, Any]:
    """Read a training state on the CPU; code in it is never run.

    Raises:
        WeightsError: not a training state, or damaged.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise WeightsError(path, "there is no such training state") from None
    except Exception as error:  # the unpickler raises whatever the damage leads to
        raise WeightsError(
            path,
            f"is not a readable training state ({type(error).__name__})",
            "Remove it; the one before it will be used.",
        ) from None
    if not isinstance(state, dict) or "iteration" not in state:
        raise WeightsError(
            path,
            "is not a training state of adasr",
            "Runs of other programs are gone on with from their weights: give those as "
            "path.pretrain_network_g instead of path.resume_state.",
        )
    return state


def saved_states(folder: Path) -> list[Path]:
    """The training states of a folder, newest iteration first."""
    found = [(int(m[1]), p) for p in folder.glob("*.state") if (m := re.fullmatch(STATE, p.name))]
    return [path for _, path in sorted(found, reverse=True)]


def newest_state(
    folder: Path, warn: Callable[[str], None]
) -> tuple[Path, dict[str, Any]] | tuple[None, None]:
    """The newest readable state of a folder; damaged ones are named and passed over."""
    for path in saved_states(folder):
        try:
            return path, load_state(path)
        except WeightsError as error:
            warn(str(error))
    return None, None


def prune(folder: Path, pattern: str, keep: int) -> None:
    """Remove all but the ``keep`` files of the highest iteration; the pattern's group is that."""
    expression = re.compile(pattern)
    numbered = [(int(m[1]), p) for p in folder.iterdir() if (m := expression.fullmatch(p.name))]
    for _, path in sorted(numbered, reverse=True)[max(1, keep) :]:
        path.unlink(missing_ok=True)


def set_aside(folder: Path, pattern: str, after: int) -> None:
    """Rename files of iterations above ``after``: a run that goes back must not mix with them."""
    expression = re.compile(pattern)
    for path in folder.glob("*"):
        match = expression.fullmatch(path.name)
        if match and int(match[1]) > after:
            path.replace(path.with_name(f"{path.name}.superseded"))


def random_state() -> dict[str, Any]:
    """The state of every global random generator of this process, in plain types."""
    kind, key, *rest = np.random.get_state()  # noqa: NPY002
    version, internal, gauss = random.getstate()
    state = {
        "torch": torch.get_rng_state(),
        "numpy": [kind, torch.from_numpy(np.asarray(key, dtype=np.int64)), *rest],
        "python": [version, list(internal), gauss],
    }
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state_all()
    return state


def restore_random_state(state: dict[str, Any]) -> None:
    """Put every global random generator back; a GPU's only where the number of GPUs fits."""
    torch.set_rng_state(state["torch"])
    kind, key, *rest = state["numpy"]
    np.random.set_state((kind, key.numpy().astype(np.uint32), *rest))  # noqa: NPY002
    version, internal, gauss = state["python"]
    random.setstate((version, tuple(internal), gauss))
    if torch.cuda.is_available() and len(state.get("cuda", ())) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(state["cuda"])
