"""Networks that spandrel knows by their weights."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from torch import Tensor, nn

from ..archs.layers import quiet
from ..compat import import_torchvision
from ..errors import WeightsError
from .build import add_attributes
from .names import listed
from .others import name_other

if TYPE_CHECKING:
    from spandrel import ImageModelDescriptor


def load_with_spandrel(state: Mapping[str, Tensor], path: Path) -> tuple[nn.Module, str]:
    """The network that spandrel finds for ``state``, with the attributes of ours, and its name.

    Raises:
        WeightsError: spandrel knows no such network, or it does not enlarge RGB or gray images.
    """
    import_torchvision()
    import spandrel

    try:
        with quiet():
            found = spandrel.ModelLoader().load_from_state_dict(dict(state))
    except Exception as error:  # every architecture reads shapes in its own way
        unknown = isinstance(error, spandrel.UnsupportedModelError)
        raise _unloadable(state, path, error) from (None if unknown else error)
    name = found.architecture.name
    if not isinstance(found, spandrel.ImageModelDescriptor) or (
        found.input_channels != found.output_channels or found.input_channels not in (1, 3)
    ):
        raise WeightsError(
            path,
            f"holds the weights of {name}, which does not turn an RGB or gray image into a larger "
            "one",
            "Give the weights of a super-resolution network.",
        )
    # spandrel takes what it needs of an ESRGAN and leaves the rest; a rest means another network.
    if found.architecture.id == "ESRGAN" and len(found.model.state_dict()) < len(state):
        raise _unloadable(state, path, None)
    return _described(found), name


def _described(found: ImageModelDescriptor) -> nn.Module:
    """The network inside what spandrel loaded, saying of itself what ours do."""
    net = found.model
    if getattr(net, "upscale", found.scale) != found.scale:
        # The network uses an ``upscale`` of another meaning itself, so it must keep it.
        net = _Rescaled(net)
    # Networks with square attention windows pad to them by reflection, which fails on images
    # smaller than the padding; the one who runs the network pads images of any size.
    window = getattr(found.model, "window_size", 1)
    needs = found.size_requirements
    vars(net).update(
        upscale=found.scale,
        num_in_ch=found.input_channels,
        arch_name=found.architecture.name,
        size_multiple=math.lcm(max(1, needs.multiple_of), window if isinstance(window, int) else 1),
        size_minimum=max(1, needs.minimum),
    )
    add_attributes(net)
    return net


class _Rescaled(nn.Module):
    """A network behind a name of its own for the scale; its state dict is the network's."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.register_state_dict_post_hook(_without_name)
        self.register_load_state_dict_pre_hook(_with_name)

    def forward(self, x: Tensor) -> Tensor:
        """As the network."""
        return self.network(x)


def _without_name(_: nn.Module, state: dict[str, Tensor], prefix: str, *__: object) -> None:
    inside = f"{prefix}network."
    for key in [key for key in state if key.startswith(inside)]:
        state[prefix + key.removeprefix(inside)] = state.pop(key)


def _with_name(net: nn.Module, state: dict[str, Tensor], prefix: str, *_: object) -> None:
    beside = tuple(f"{prefix}{name}." for name, _ in net.named_children() if name != "network")
    for key in [k for k in state if k.startswith(prefix) and not k.startswith(beside)]:
        state[f"{prefix}network.{key.removeprefix(prefix)}"] = state.pop(key)


def _unloadable(state: Mapping[str, Tensor], path: Path, error: Exception | None) -> WeightsError:
    other = name_other(state)
    if other is not None:
        return WeightsError(path, other.problem, other.hint)
    found = re.search(r"Error\(s\) in loading state_dict for (\w+)", str(error))
    details = listed("its first keys", list(state)) if found is None else _faults(str(error))
    what = "no network known here" if found is None else f"a {found[1]} that is not complete"
    return WeightsError(
        path,
        f"holds the weights of {what} ({details})",
        "Build the network with its options and give the file as pretrained weights, or name it: "
        "adasr convert --arch.",
    )


def _faults(message: str) -> str:
    """The first keys of each fault that torch's message tells."""
    parts = []
    for start, what in (("Missing", "missing"), ("Unexpected", "not in the network")):
        line = re.search(rf"{start} key\(s\) in state_dict: (.*)", message)
        parts.append(listed(what, re.findall(r'"([^"]+)"', line[1]) if line else []))
    parts.append(listed("of another shape", re.findall(r"size mismatch for ([\w.]+)", message)))
    return "; ".join(part for part in parts if part)
