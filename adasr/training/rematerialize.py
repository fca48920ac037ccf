"""Activation checkpointing: blocks compute their features again in the backward pass."""

from __future__ import annotations

from typing import Any

from torch import nn
from torch.utils.checkpoint import checkpoint

from ..errors import OptionError


def checkpoint_activations(net: nn.Module) -> int:
    """Keep only the inputs of the repeated blocks of ``net`` for the backward pass, in place.

    The features inside them are computed twice, with the same dropout masks, and take memory for
    one block at a time. Weights and gradients stay as they are.

    Args:
        net: a network whose body is a sequence or list of blocks.

    Returns:
        How many blocks there are.

    Raises:
        OptionError: the network has no such body.
    """
    blocks = body(net)
    for block in blocks:
        block.forward = _Checkpointed(block.forward)  # type: ignore[method-assign]
    return len(blocks)


def body(net: nn.Module) -> list[nn.Module]:
    """The blocks of the list or sequence that holds most of the parameters in equal blocks.

    Raises:
        OptionError: there is none with at least two blocks.
    """
    found: list[nn.Module] = []
    most = 0
    for module in net.modules():
        if not isinstance(module, nn.Sequential | nn.ModuleList):
            continue
        kinds = [type(child) for child in module]
        for kind in set(kinds):
            blocks = [child for child in module if type(child) is kind]
            size = sum(p.numel() for block in blocks for p in block.parameters())
            if len(blocks) > 1 and any(True for _ in blocks[0].children()) and size > most:
                found, most = blocks, size
    if not found:
        raise OptionError(
            f"{type(net).__name__} has no body of repeated blocks.",
            ("checkpoint_activations",),
            "Leave it out; use a smaller batch with train.accumulate to save memory.",
        )
    return found


class _Checkpointed:
    """A forward pass that is done again for the backward one; an object, so that it is copied."""

    def __init__(self, forward: Any) -> None:
        self.forward = forward

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return checkpoint(self.forward, *args, use_reentrant=False, **kwargs)
