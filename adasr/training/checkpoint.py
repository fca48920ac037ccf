"""Training states: whole or not there, safe to read, and the last readable one is found."""

from __future__ import annotations

import contextlib
import difflib
import platform
import random
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..errors import TrainingError, WeightsError
from ..files import atomic_path, remove_leftovers
from ..version import __version__

STATE = r"(\d+)\.state"
WEIGHTS = r"net_g_(\d+)\.safetensors"
DISCRIMINATORS = r"net_d_(\d+)\.safetensors"
_NUMBERS = {"network", "ema", "optimizer", "adversary"}


def save_state(path: Path, state: dict[str, Any]) -> None:
    """Write a training state (tensors, numbers, strings, lists and dicts of them) atomically.

    The versions that wrote it are added.

    Raises:
        TrainingError: the disk is full or the place cannot be written; earlier states are kept.
    """
    with explained(path), atomic_path(path) as temporary:
        torch.save({**state, "versions": versions()}, temporary)


@contextlib.contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn a failed write of ``path`` into a message that says what is kept.

    Raises:
        TrainingError: the disk is full or the place cannot be written; earlier files are kept.
    """
    try:
        yield
    except (OSError, RuntimeError) as error:  # torch reports a full disk as a RuntimeError
        reason = getattr(error, "strerror", None) or f"{str(error).partition(chr(10))[0]:.120}"
        states = saved_states(path.parent.parent / "training_states")
        kept = (
            f"The checkpoint of iteration {states[0].stem} in {path.parent.parent} is kept, "
            "and --auto-resume goes on from it."
            if states
            else "No checkpoint was saved before."
        )
        raise TrainingError(
            f"{path}: cannot be saved ({reason}). Free some space or choose another place. {kept}"
        ) from error


def load_state(path: Path) -> dict[str, Any]:
    """Read a training state on the CPU; code in it is never run.

    Raises:
        WeightsError: not a training state, damaged, or with numbers that are not finite.
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
    for key in _NUMBERS & state.keys():
        _check_finite(state[key], path, key)
    return state


def _check_finite(held: Any, path: Path, key: str) -> None:
    if isinstance(held, Mapping | list | tuple):
        for name, inner in held.items() if isinstance(held, Mapping) else enumerate(held):
            _check_finite(inner, path, f"{key}.{name}")
    elif isinstance(held, torch.Tensor) and not torch.isfinite(held).all():
        raise WeightsError(
            path,
            f"has numbers that are not finite, first in {key}",
            "Its training diverged; remove it, and the one before it will be used.",
        )


def versions() -> dict[str, str]:
    """What the bits of a run hang on beside its options."""
    return {
        "adasr": __version__,
        "torch": str(torch.__version__),
        "numpy": np.__version__,
        "python": platform.python_version(),
    }


def differences(state: Mapping[str, Any], options: str, processes: int) -> list[str]:
    """What a run that goes on from ``state`` changes, a line each.

    Args:
        state: as it was saved.
        options: of the run to come, as YAML.
        processes: of the run to come.
    """
    saved = str(state.get("metadata", {}).get("options", ""))
    lines = difflib.unified_diff(saved.splitlines(), options.splitlines(), lineterm="", n=0)
    told = [
        f"options differ from the saved run: {line}"
        for line in lines
        if line[0] in "+-" and not line.startswith(("+++", "---"))
    ]
    wrote = state.get("versions", {})
    for name, version in versions().items():
        if wrote.get(name, version) != version:
            told.append(f"saved by {name} {wrote[name]}, this is {version}: bits may differ.")
    before = len(state.get("random", ())) or processes
    if before != processes:
        told.append(
            f"saved by {before} process{'es' if before > 1 else ''}, now there are {processes}: "
            "the effective batch and the random numbers change."
        )
    return told


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
    """Remove all but the ``keep`` files of the highest iteration; the pattern's group is that.

    What a killed process left half written goes too.
    """
    remove_leftovers(folder)
    expression = re.compile(pattern)
    numbered = [(int(m[1]), p) for p in folder.iterdir() if (m := expression.fullmatch(p.name))]
    for _, path in sorted(numbered, reverse=True)[max(1, keep) :]:
        path.unlink(missing_ok=True)


def set_aside(folder: Path, pattern: str, after: int) -> None:
    """Rename files of iterations above ``after``: a run that goes back must not mix with them.

    What a killed process left half written is removed: it may be what fills the disk.
    """
    remove_leftovers(folder)
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
