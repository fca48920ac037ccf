"""How much memory there is and how much a network takes, to choose the size of tiles."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from ..memory import free_memory

# A layer's input and output are rarely all that lives at a time: residual branches, workspaces of
# convolutions and what the allocator keeps come on top.
_SLACK = 2.0
_WORKSPACE = 2048


def available_bytes(device: torch.device) -> int:
    """Bytes that can still be had on ``device``."""
    if device.type == "cuda":
        cached = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + cached
    if device.type == "mps":
        return torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory()
    return free_memory()


def bytes_per_pixel(net: nn.Module, run: Callable[[Tensor], Tensor], probe: Tensor) -> float:
    """An estimate of the memory that one pixel of the input takes while ``net`` runs.

    Args:
        net: the network.
        run: calls it.
        probe: an input, (1, C, h, w); small is enough.
    """
    largest = 0

    def measure(_: nn.Module, inputs: Any, output: Any) -> None:
        nonlocal largest
        largest = max(largest, _bytes(inputs) + _bytes(output))

    leaves = [module for module in net.modules() if not any(module.children())]
    handles = [module.register_forward_hook(measure) for module in leaves]
    try:
        output = run(probe)
    finally:
        for handle in handles:
            handle.remove()
    pixels = probe.shape[-2] * probe.shape[-1]
    return _SLACK * max(largest, _bytes((probe, output))) / pixels + _WORKSPACE


def is_out_of_memory(error: RuntimeError | MemoryError) -> bool:
    """Whether ``error`` says that memory ran out, on any device."""
    message = str(error).lower()
    return (
        isinstance(error, torch.OutOfMemoryError | MemoryError)
        or "out of memory" in message
        or "can't allocate memory" in message
        or "bad_alloc" in message
    )


def _bytes(value: Any) -> int:
    if isinstance(value, Tensor):
        return value.numel() * value.element_size()
    if isinstance(value, tuple | list):
        return sum(map(_bytes, value))
    return 0
