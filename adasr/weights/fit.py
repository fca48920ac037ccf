"""A state dict into a network, and what is wrong where it does not fit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from ..errors import WeightsError
from .names import listed, name_of, shape_of
from .save import plain_state


@dataclass(frozen=True)
class Holder:
    """The network that a file's weights belong to.

    Attributes:
        name: e.g. ``SRResNet x4 with num_feat 64, num_block 16``.
        scale: its scale, None if that is unknown.
        why: how it is known, e.g. ``98 of 98 keys are its, such as conv_first.weight``.
    """

    name: str
    scale: int | None
    why: str


@dataclass(frozen=True)
class Fit:
    """How a state dict fits a network.

    Attributes:
        fitting: what can be loaded.
        missing: keys of the network that the state dict lacks.
        unexpected: keys that the network lacks.
        misshapen: keys with the shape that is there and the one that should be.
        kept: keys of the network that get no value.
    """

    fitting: dict[str, Tensor]
    missing: list[str]
    unexpected: list[str]
    misshapen: list[str]
    kept: list[str]

    @property
    def complete(self) -> bool:
        """Whether every parameter is there with its shape, and nothing else."""
        return not (self.missing or self.unexpected or self.misshapen)

    @property
    def faults(self) -> str:
        """The first few keys of each fault."""
        parts = (
            listed("missing", self.missing),
            listed("not in the network", self.unexpected),
            listed("of another shape", self.misshapen),
        )
        return "; ".join(part for part in parts if part)


def compare(net: nn.Module, state: Mapping[str, Tensor]) -> Fit:
    """How ``state`` fits ``net``, attached regularizers left out."""
    target = plain_state(net)
    buffers = {name for name, _ in net.named_buffers()}
    other = {k for k in target if k in state and state[k].shape != target[k].shape}
    fitting = {k: v for k, v in state.items() if k in target and k not in other}
    return Fit(
        fitting,
        [key for key in target if key not in state],
        [key for key in state if key not in target],
        # A buffer of another shape is a cache that follows the training size (SwinIR's attention
        # masks); a network of another width differs in its parameters too.
        [
            f"{key} {shape_of(state[key])} instead of {shape_of(target[key])}"
            for key in target
            if key in other and key not in buffers
        ],
        [key for key in target if key not in fitting],
    )


def fill(net: nn.Module, state: Mapping[str, Tensor], path: Path) -> None:
    """Load all of ``state``, which fits.

    Raises:
        WeightsError: a parameter is not finite; the network is left as it was.
    """
    parameters = {name for name, _ in net.named_parameters()}
    check_finite(((k, v) for k, v in state.items() if k in parameters), path)
    net.load_state_dict(state, strict=False)


def check_finite(parameters: Iterable[tuple[str, Tensor]], path: Path) -> None:
    """Refuse weights that make every image black.

    Raises:
        WeightsError: a parameter holds NaN or infinity.
    """
    for name, value in parameters:
        if not torch.isfinite(value).all():
            raise WeightsError(
                path,
                f"has numbers that are not finite, first in {name}",
                "Its training diverged; take weights of an earlier iteration.",
            )


def misfit(net: nn.Module, fit: Fit, path: Path, holder: Holder | None) -> WeightsError:
    """The error for weights that do not fit ``net``.

    Args:
        net: the network.
        fit: how they fit.
        path: the file.
        holder: the network that the weights belong to, as far as that is known.
    """
    name, scale = name_of(net), getattr(net, "upscale", None)
    if holder is None:
        problem, hint = f"does not fit {name}", "Give the weights or the network that match."
    elif holder.name == name:
        problem = f"does not fit {name}, which it looks like ({holder.why})"
        hint = "Give the complete weights of this network, and nothing else."
    else:
        problem = f"does not fit {name}: it holds the weights of {holder.name} ({holder.why})"
        hint = "Give the weights or the network that match."
    if holder is not None and None not in (scale, holder.scale) and scale != holder.scale:
        problem = f"is for x{holder.scale}, the network is for x{scale}; it {problem}"
        hint = f"Give weights for x{scale}, or set the scale to {holder.scale}."
    return WeightsError(path, f"{problem}; {fit.faults}", hint)
