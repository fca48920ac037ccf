"""State dicts from files, read as data only."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, Literal

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from ..errors import WeightsError
from ..regularizers.sites import RESERVED_PREFIX

# What training programs wrap state dicts in, the better ones first.
_WRAPPERS = ("params_ema", "params", "state_dict", "model_state_dict", "model", "net_g")
_PREFIXES = ("module.", "_orig_mod.")
_LONGEST_HEADER = 100_000_000  # as the format has it
_DAMAGED = "is damaged or not complete"
_AGAIN = "Copy or download it again."


def load_state(path: str | Path) -> dict[str, Tensor]:
    """The state dict in a ``.safetensors`` or ``.pth`` file, on the CPU.

    The format is told by the content. EMA weights are preferred where a file holds both
    (``params_ema``, ``params``, ``state_dict``), and the prefix ``module.`` is taken off. Files are
    read as data: a pickle that holds anything but tensors is refused and nothing in it is run.

    Raises:
        WeightsError: missing, damaged, refused, or no weights.
    """
    return read(path)[0]


def read(path: str | Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """As ``load_state``, together with the metadata of a safetensors file.

    Raises:
        WeightsError: missing, damaged, refused, or no weights.
    """
    path = Path(path)
    form, size = _form(path)
    if form == "safetensors":
        content, metadata = _read_safetensors(path)
    else:
        content, metadata = _read_pickle(path, size), {}
    return _state_of(content, path), metadata


def _form(path: Path) -> tuple[Literal["safetensors", "pickle"], int]:
    """The format by the first bytes (a suffix may say anything), and the size."""
    try:
        if path.is_dir():
            raise WeightsError(path, "is a folder, not a weights file", "Give a file in it.")
        with path.open("rb") as file:
            head = file.read(9)
        size = path.stat().st_size
    except FileNotFoundError:
        raise WeightsError(path, "does not exist", "Check the path of the weights.") from None
    except OSError as error:
        problem = f"cannot be read ({error.strerror or error})"
        raise WeightsError(path, problem, "Check its permissions.") from None
    if not head:
        raise WeightsError(path, "is empty", _AGAIN)
    # Eight bytes of header length, then JSON. First, since that length may begin as a pickle does.
    if head[8:] == b"{" and int.from_bytes(head[:8], "little") < _LONGEST_HEADER:
        return "safetensors", size
    if head.startswith((b"PK\x03\x04", b"\x80")):
        return "pickle", size
    raise WeightsError(
        path, "is not a weights file", "Give the .safetensors or .pth file of a network."
    )


def _read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            return {key: file.get_tensor(key) for key in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except (SafetensorError, OSError, RuntimeError, ValueError) as error:
        raise WeightsError(path, f"{_DAMAGED} ({error})", _AGAIN) from None


def _read_pickle(path: Path, size: int) -> Any:
    try:
        # Opened here, since torch.load goes by the name where it is given one.
        with path.open("rb") as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch warns of what the message below says
            return torch.load(file, map_location="cpu", weights_only=True)
    except UnpicklingError as error:
        raise _refusal(path, str(error)) from None
    except Exception as error:  # torch raises whatever a damaged file leads it to
        if "TorchScript" in str(error):
            raise _refusal(path, str(error)) from None
        first = str(error).strip().partition("\n")[0].partition(". ")[0]
        detail = f": {first}" if first else ""
        problem = f"{_DAMAGED} ({size} bytes; {type(error).__name__}{detail})"
        raise WeightsError(path, problem, _AGAIN) from None


def _refusal(path: Path, message: str) -> WeightsError:
    found = re.search(r"GLOBAL ([\w.]+)", message)
    held = "a TorchScript program" if "TorchScript" in message else "Python objects or code"
    named = f" ({found[1]})" if found else ""
    return WeightsError(
        path,
        f"is refused: it holds {held}{named}, not only weights. Nothing in it was run",
        "Ask its author for a .safetensors file, or for a .pth file of the state dict alone.",
    )


def _state_of(content: Any, path: Path) -> dict[str, Tensor]:
    """The state dict inside what a file holds."""
    state = content
    while isinstance(state, Mapping):
        inner = next((state[k] for k in _WRAPPERS if isinstance(state.get(k), Mapping)), None)
        if inner is None:
            break
        state = inner
    if isinstance(state, Mapping):
        state = {
            key: value
            for key, value in state.items()
            if isinstance(key, str) and isinstance(value, Tensor)
        }
    if not isinstance(state, dict) or not state:
        raise WeightsError(
            path,
            "holds no weights of a network",
            "Give the weights (models/*.safetensors), not a training state or other data.",
        )
    for prefix in _PREFIXES:
        if all(key.startswith(prefix) for key in state):
            state = {key.removeprefix(prefix): value for key, value in state.items()}
    return {k: v for k, v in state.items() if not k.startswith(f"{RESERVED_PREFIX}.")}
