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
_WRAPPERS = (
    "params_ema",
    "params-ema",
    "params",
    "state_dict",
    "model_state_dict",
    "model",
    "net_g",
    "net",
)
_DEEPEST = 8  # a pickle may hold a mapping inside itself
_PREFIXES = ("module.", "_orig_mod.", "netG.")
# Keys by which other files of a training are known.
_OTHER_FILES = {
    "a training state of adasr": {"iteration", "network", "optimizer"},
    "a training state of BasicSR": {"iter", "optimizers", "schedulers"},
    "the state of an optimizer": {"state", "param_groups"},
}
METADATA = "metadata"  # what adasr says of the weights, in its .pth files
_LONGEST_HEADER = 100_000_000  # as the format has it
_DAMAGED = "is damaged or not complete"
_AGAIN = "Copy or download it again."


def load_state(path: str | Path, key: str | None = None) -> dict[str, Tensor]:
    """The state dict in a ``.safetensors`` or ``.pth`` file, on the CPU, in float32.

    The format is told by the content. EMA weights are preferred where a file holds both
    (``params_ema``, ``params``, ``state_dict``), and the prefix ``module.`` is taken off. Files are
    read as data: a pickle that holds anything but tensors is refused and nothing in it is run.

    Args:
        path: the file.
        key: which weights of a ``.pth`` file, e.g. ``"params"`` where it holds EMA weights too.

    Raises:
        WeightsError: missing, damaged, refused, or no weights.
    """
    return read(path, key)[0]


def read(path: str | Path, key: str | None = None) -> tuple[dict[str, Tensor], dict[str, str]]:
    """As ``load_state``, together with the file's metadata.

    Raises:
        WeightsError: missing, damaged, refused, or no weights.
    """
    path = Path(path)
    form, size = _form(path)
    if form == "safetensors":
        content, metadata = _read_safetensors(path)
    else:
        content = _read_pickle(path, size)
        metadata = _metadata_of(content)
    return _state_of(content, path, key), metadata


def held_entries(path: str | Path) -> list[str]:
    """The names under which a ``.pth`` file holds state dicts; none where it holds one unnamed.

    Raises:
        WeightsError: as ``load_state``.
    """
    path = Path(path)
    form, size = _form(path)
    if form == "safetensors":
        return []
    content = _read_pickle(path, size)
    if not isinstance(content, Mapping):
        return []
    return [str(k) for k, v in content.items() if isinstance(v, Mapping) and _tensors(v)]


def _form(path: Path) -> tuple[Literal["safetensors", "pickle"], int]:
    """The format by the first bytes (a suffix may say anything), and the size."""
    try:
        if path.is_dir():
            raise WeightsError(path, "is a folder, not a weights file", "Give a file in it.")
        if path.exists() and not path.is_file():  # opening a pipe would wait for ever
            raise WeightsError(path, "is no regular file (a device, a pipe or a socket)")
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


def _metadata_of(content: Any) -> dict[str, str]:
    """What adasr wrote beside the weights of a ``.pth`` file."""
    found = content.get(METADATA) if isinstance(content, Mapping) else None
    if not isinstance(found, Mapping):
        return {}
    return {k: v for k, v in found.items() if isinstance(k, str) and isinstance(v, str)}


def _state_of(content: Any, path: Path, key: str | None = None) -> dict[str, Tensor]:
    """The state dict inside what a file holds, its floating-point numbers in float32."""
    if key is not None:
        content = _entry(content, key, path)
    inside = _unwrapped(content)
    state = _tensors(inside)
    if not state:
        raise _no_weights(inside, path)
    while prefix := next((p for p in _PREFIXES if all(n.startswith(p) for n in state)), ""):
        state = {name.removeprefix(prefix): value for name, value in state.items()}
    return {
        name: value.float() if value.is_floating_point() else value
        for name, value in state.items()
        if not name.startswith(f"{RESERVED_PREFIX}.")
    }


def _entry(content: Any, key: str, path: Path) -> Any:
    if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
        return content[key]
    if _kind_of(content) is not None:
        raise _no_weights(content, path)
    if isinstance(content, Mapping) and content and len(_tensors(content)) == len(content):
        return content  # one state dict without a name: there is nothing to choose from
    held = content.items() if isinstance(content, Mapping) else ()
    known = [str(name) for name, value in held if isinstance(value, Mapping) and name != METADATA]
    has = ", ".join(known) or "one state dict without a name"
    raise WeightsError(path, f"holds no '{key}', only {has}", "Choose one of them, or name none.")


def _unwrapped(content: Any) -> Any:
    """The innermost mapping, past the names that training programs put around it."""
    for _ in range(_DEEPEST):
        if not isinstance(content, Mapping):
            break
        inner = {k: v for k, v in content.items() if isinstance(v, Mapping) and v}
        name = next((name for name in _WRAPPERS if name in inner), None)
        if name is None and len(content) == len(inner) == 1:
            name = next(iter(inner))
        if name is None:
            break
        content = inner[name]
    return content


def _tensors(state: Any) -> dict[str, Tensor]:
    items = state.items() if isinstance(state, Mapping) else ()
    return {k: v for k, v in items if isinstance(k, str) and isinstance(v, Tensor)}


def _kind_of(content: Any) -> str | None:
    """What other file of a training this is, if it is one."""
    keys = set(content) if isinstance(content, Mapping) else set()
    return next((name for name, marks in _OTHER_FILES.items() if marks <= keys), None)


def _no_weights(content: Any, path: Path) -> WeightsError:
    what = _kind_of(content)
    return WeightsError(
        path,
        f"is {what} and holds no weights to load" if what else "holds no weights of a network",
        "Give the weights (models/net_g_*.safetensors or .pth), not a training state or other "
        "data.",
    )
