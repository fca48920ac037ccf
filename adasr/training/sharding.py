"""Full sharding (FSDP2): each process holds a share of parameters, gradients and averages."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeGuard, cast

import torch
from torch import Tensor, nn

from ..errors import OptionError, TrainingError, did_you_mean
from ..regularizers.sites import RESERVED_PREFIX
from .rematerialize import body

if TYPE_CHECKING:  # there are builds of torch without it
    from torch.distributed.fsdp import FSDPModule
    from torch.distributed.tensor import DTensor


@dataclass(frozen=True)
class Sharding:
    """Which modules of a network are units; a unit's parameters are whole while it computes.

    What is in no unit belongs to the network itself and is whole in every iteration's passes.

    Args:
        units: the repeated "blocks" of the network's body, modules of given "classes", modules by
            "size", or "none".
        classes: names of the classes of units.
        min_params: parameters that a unit by size has at least.
        reshard: give a unit's parameters up between the forward and the backward pass.
    """

    units: Literal["blocks", "classes", "size", "none"] = "blocks"
    classes: tuple[str, ...] = ()
    min_params: int = 0
    reshard: bool = True


def find_units(net: nn.Module, sharding: Sharding) -> list[nn.Module]:
    """The units of ``net`` other than itself, inner ones before those around them.

    Raises:
        TrainingError: no module is of a class that is asked for.
    """
    if sharding.units == "none":
        return []
    if sharding.units == "blocks":
        with contextlib.suppress(OptionError):  # no repeated blocks
            return body(net)
        return []
    if sharding.units == "size":
        found: list[nn.Module] = []
        for child in _computing_children(net):
            _add_by_size(child, sharding.min_params, found)
        return found
    modules = [m for child in _computing_children(net) for m in child.modules()]
    known = {type(module).__name__ for module in modules}
    for name in sharding.classes:
        if name not in known:
            raise TrainingError(
                f"FSDP_TRANSFORMER_CLS_TO_WRAP: {type(net).__name__} has no module of class "
                f"'{name}'. {did_you_mean(name, sorted(known))}".rstrip()
            )
    return [m for m in reversed(modules) if type(m).__name__ in sharding.classes]


def shard(
    net: nn.Module,
    optimizer: torch.optim.Optimizer,
    sharding: Sharding,
    device: torch.device,
    processes: int,
) -> int:
    """Divide ``net`` and what ``optimizer`` steps among all processes, in place.

    All begin with the weights and buffers of the first. The network is called as before; its
    parameters and their gradients are DTensors from now on, under the same names.

    Args:
        net: a plain network on ``device``, its regularizer attached.
        optimizer: over parameters of ``net``, before its first step.
        sharding: into which units.
        device: of this process.
        processes: how many there are.

    Returns:
        The number of units, the network itself included.

    Raises:
        TrainingError: the network cannot be divided so.
    """
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    _check(net)
    units = find_units(net, sharding)
    before = dict(net.named_parameters())
    if not all(parameter.is_contiguous() for parameter in before.values()):
        # Shards are slices along the first axis. The features are what gains from channels last.
        net.register_forward_pre_hook(_channels_last)
    for tensor in (*before.values(), *net.buffers()):
        tensor.data = tensor.data.contiguous()
        torch.distributed.broadcast(tensor.data, 0)
    mesh = init_device_mesh(device.type, (processes,))
    for unit in units:
        fully_shard(unit, mesh=mesh, reshard_after_forward=sharding.reshard)
    fully_shard(net, mesh=mesh)  # torch keeps its own parameters whole until the backward pass
    after = dict(net.named_parameters())
    replaced = {old: after[name] for name, old in before.items()}
    for group in optimizer.param_groups:
        group["params"] = [replaced[parameter] for parameter in group["params"]]
    return len(units) + 1


@contextlib.contextmanager
def without_reduction(net: nn.Module) -> Iterator[None]:
    """Backward passes in here add to gradients of this process alone, which are whole ones."""
    module = cast("FSDPModule", net)
    module.set_requires_gradient_sync(False)
    try:
        yield
    finally:
        module.set_requires_gradient_sync(True)


def is_shard(held: Any) -> TypeGuard[DTensor]:
    """Whether this is one process's share of a tensor."""
    return isinstance(held, Tensor) and hasattr(held, "full_tensor")


def whole(tensor: Tensor) -> Tensor:
    """A sharded tensor as a whole one, any other as it is; all processes must call this."""
    return tensor.full_tensor() if is_shard(tensor) else tensor


def part(tensor: Tensor, like: Tensor) -> Tensor:
    """This process's share of a whole tensor, on the device of ``like``; plain if ``like`` is.

    A tensor of another shape comes back as it is.
    """
    if not is_shard(like) or tensor.shape != like.shape:
        return tensor
    from torch.distributed.tensor import distribute_tensor

    held = tensor.detach().to(like.device)
    return distribute_tensor(held, like.device_mesh, like.placements, src_data_rank=None)


def local(tensor: Tensor) -> Tensor:
    """The storage of this process's share of a sharded tensor, any other tensor as it is."""
    return tensor.to_local() if is_shard(tensor) else tensor


@torch.no_grad()
def gathered(held: Any, keep: bool) -> Any:
    """A state (dicts, lists, tensors) with whole tensors on the CPU in place of its shards.

    All processes must call this, with states of the same structure.

    Args:
        held: the state; it stays as it is.
        keep: whether this process wants it; None stands for the tensors otherwise.
    """
    if is_shard(held):
        tensor = held.full_tensor()
        return tensor.cpu() if keep else None
    if isinstance(held, Mapping):
        found: Any = copy.copy(held)  # keeps what torch adds to a state dict
        for name, inner in held.items():
            found[name] = gathered(inner, keep)
        return found
    if isinstance(held, list | tuple):
        return type(held)(gathered(inner, keep) for inner in held)
    return held


def network_parts(state: Mapping[str, Any], net: nn.Module) -> dict[str, Any]:
    """This process's share of a whole network's state, for ``net.load_state_dict``."""
    like = net.state_dict()
    return {name: part(value, like.get(name, value)) for name, value in state.items()}


def optimizer_parts(state: Mapping[str, Any], optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """This process's share of an optimizer's whole state, for its ``load_state_dict``.

    Raises:
        ValueError: it holds something that is neither a number nor shaped like its parameter.
    """
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    if len(state["state"]) > len(parameters):
        raise ValueError("its optimizer has more parameters than the network.")
    held: dict[int, dict[str, Any]] = {}
    for index, entries in state["state"].items():
        like, held[index] = parameters[index], {}
        for name, value in entries.items():
            if isinstance(value, Tensor) and value.dim():
                if is_shard(like) and value.shape != like.shape:
                    raise ValueError(f"'{name}' of its optimizer is not shaped like a parameter.")
                value = part(value, like)
            held[index][name] = value
    return {**state, "state": held}


def _check(net: nn.Module) -> None:
    for name, parameter in net.named_parameters():
        if parameter.dim() == 0:
            raise TrainingError(
                f"{type(net).__name__} cannot be trained with FSDP: its parameter {name} is a "
                "single number, which torch does not shard. Launch with --multi_gpu."
            )


def _channels_last(module: nn.Module, args: Sequence[Any]) -> tuple[Any, ...]:
    first, *rest = args
    return (first.contiguous(memory_format=torch.channels_last), *rest)


def _computing_children(net: nn.Module) -> list[nn.Module]:
    """All but the regularizers: those are called from the modules that they act on."""
    return [child for name, child in net.named_children() if name != RESERVED_PREFIX]


def _add_by_size(module: nn.Module, least: int, found: list[nn.Module]) -> int:
    """Parameters of ``module`` that are in no unit."""
    free = sum(p.numel() for p in module.parameters(recurse=False))
    free += sum(_add_by_size(child, least, found) for child in module.children())
    if free == 0 or free < least or isinstance(module, nn.ModuleList | nn.ModuleDict):
        return free
    found.append(module)
    return 0
