"""Networks from weights files, and weights into networks."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..archs.detect import canonical_keys, detect
from ..archs.layers import quiet
from ..compat import import_torchvision
from ..errors import OptionError, WeightsError
from .build import add_attributes, build_network, network_scale
from .save import plain_state, unwrap
from .state import read

_SHOWN = 3  # keys named in a message


def load_network(path: str | Path, device: str | torch.device = "cpu") -> nn.Module:
    """The network that a weights file belongs to, with its weights, in evaluation mode.

    Architecture and scale come from the metadata of files that adasr wrote, else from the key
    names and shapes: SRResNet and RRDBNet of BasicSR, Real-ESRGAN and the papers' authors, and all
    that spandrel knows. Its outputs are not clamped.

    Args:
        path: a ``.safetensors`` or ``.pth`` file.
        device: where the network goes.

    Raises:
        WeightsError: missing, damaged, refused, or of no known network.
    """
    path = Path(path)
    state, metadata = read(path)
    state = canonical_keys(state)
    options = _arch_of(metadata, path) or detect(state)
    if options is None:
        net = _load_with_spandrel(state, path)
    else:
        try:
            net = build_network(options)
        except OptionError as error:
            hint = "Install the package or the version of adasr that has it."
            raise WeightsError(path, f"needs a network that is not here ({error})", hint) from None
        _fill(net, state, path)
    return net.to(device).eval()


def load_into(net: nn.Module, path: str | Path, strict: bool = True) -> list[str]:
    """Load the weights in a file into ``net``; attached regularizers keep their parameters.

    Args:
        net: the network, left as it was on any error.
        path: a ``.safetensors`` or ``.pth`` file.
        strict: whether every parameter must be there with its shape and nothing else. Without it,
            what fits is loaded.

    Returns:
        The keys of ``net`` that kept their values; none when strict.

    Raises:
        WeightsError: missing, damaged, refused, of another network (the message says which), or,
            without strict, nothing fits.
    """
    path = Path(path)
    state, metadata = read(path)
    return _fill(unwrap(net), canonical_keys(state), path, strict, _arch_of(metadata, path))


def _fill(
    net: nn.Module,
    state: Mapping[str, Tensor],
    path: Path,
    strict: bool = True,
    options: Mapping[str, Any] | None = None,
) -> list[str]:
    target = plain_state(net)
    buffers = {name for name, _ in net.named_buffers()}
    missing = [key for key in target if key not in state]
    unexpected = [key for key in state if key not in target]
    # A buffer of another shape is a cache that follows the training size (SwinIR's attention
    # masks); a network of another width differs in its parameters too.
    other_shape = [
        key
        for key in target
        if key in state and key not in buffers and state[key].shape != target[key].shape
    ]
    fitting = {
        key: value
        for key, value in state.items()
        if key in target and value.shape == target[key].shape
    }
    if (strict and (missing or unexpected or other_shape)) or not fitting:
        problem = f"does not fit {_name_of(net)}"
        holder = _name_of_options(options or detect(state))
        if holder and holder != _name_of(net):
            problem = f"{problem}: it holds the weights of {holder}"
        details = [
            _listed("missing", missing),
            _listed("not in the network", unexpected),
            _listed(
                "of another shape",
                [f"{k} {_shape(state[k])} instead of {_shape(target[k])}" for k in other_shape],
            ),
        ]
        problem = f"{problem} ({'; '.join(d for d in details if d)})"
        raise WeightsError(path, problem, "Give the weights or the network that match.")
    net.load_state_dict(fitting, strict=False)
    return [] if strict else [key for key in target if key not in fitting]


def _arch_of(metadata: Mapping[str, str], path: Path) -> dict[str, Any] | None:
    """The network's options in the metadata of a file that adasr wrote."""
    if metadata.get("format") != "adasr" or "arch" not in metadata:
        return None
    try:
        options = json.loads(metadata["arch"])
    except json.JSONDecodeError:
        options = None
    if not isinstance(options, dict) or "type" not in options:
        raise WeightsError(path, "has metadata that names no network", "Save the weights again.")
    return options


def _load_with_spandrel(state: dict[str, Tensor], path: Path) -> nn.Module:
    import_torchvision()
    import spandrel

    try:
        with quiet():
            found = spandrel.ModelLoader().load_from_state_dict(dict(state))
    except Exception as error:  # every architecture reads shapes in its own way
        keys = ", ".join(list(state)[:_SHOWN])
        raise WeightsError(
            path,
            f"holds the weights of no network known here (its first keys: {keys})",
            "Build the network with its options and give the file as pretrained weights.",
        ) from (None if isinstance(error, spandrel.UnsupportedModelError) else error)
    if not isinstance(found, spandrel.ImageModelDescriptor) or (
        found.input_channels != found.output_channels or found.input_channels not in (1, 3)
    ):
        raise WeightsError(
            path,
            f"holds the weights of {found.architecture.name}, which does not turn an RGB or gray "
            "image into a larger one",
            "Give the weights of a super-resolution network.",
        )
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
        size_multiple=math.lcm(max(1, needs.multiple_of), window if isinstance(window, int) else 1),
        size_minimum=max(1, needs.minimum),
    )
    add_attributes(net)
    return net


class _Rescaled(nn.Module):
    """A network behind a name of its own for the scale."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        return self.network(x)


def _name_of(net: nn.Module) -> str:
    options = getattr(net, "arch_options", None)
    return _name_of_options(options) or f"{type(net).__name__} x{network_scale(net)}"


def _name_of_options(options: Mapping[str, Any] | None) -> str:
    """Name, scale and width of a network, as a person tells networks apart."""
    if not options:
        return ""
    sizes = [
        f"{key} {options[key]}"
        for key in ("num_feat", "embed_dim", "dim", "feature_channels", "num_block", "num_conv")
        if key in options
    ]
    scale = options.get("upscale", options.get("scale"))
    name = f"{options['type']} x{scale}" if scale is not None else str(options["type"])
    return f"{name} with {', '.join(sizes)}" if sizes else name


def _listed(what: str, keys: list[str]) -> str:
    if not keys:
        return ""
    more = f" and {len(keys) - _SHOWN} more" if len(keys) > _SHOWN else ""
    return f"{what}: {', '.join(keys[:_SHOWN])}{more}"


def _shape(value: Tensor) -> str:
    return "x".join(map(str, value.shape)) or "scalar"
