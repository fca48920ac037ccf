"""Small networks whose features are known."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from adasr.weights import build_network


@pytest.fixture
def net() -> nn.Module:
    """An SRResNet x2 with 2 blocks of 8 channels, in evaluation mode, with weights that count."""
    torch.manual_seed(1)
    made = build_network({"type": "SRResNet", "num_feat": 8, "num_block": 2, "upscale": 2})
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.mul_(3)
    return made.eval()


@pytest.fixture
def lq() -> Tensor:
    """Six images of 16 x 16 pixels."""
    return torch.rand(6, 3, 16, 16, generator=torch.Generator().manual_seed(2))


@pytest.fixture
def trace() -> Callable[[nn.Module], object]:
    """Tells all that an analysis could leave behind."""

    def told(net: nn.Module) -> object:
        hooks = [(len(m._forward_hooks), len(m._forward_pre_hooks)) for m in net.modules()]
        modes = [module.training for module in net.modules()]
        grads = [(p.requires_grad, p.grad is None) for p in net.parameters()]
        state = {key: value.double().sum().item() for key, value in net.state_dict().items()}
        return hooks, modes, grads, state, torch.get_rng_state().tolist()

    return told
