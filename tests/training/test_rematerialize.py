"""Activation checkpointing changes memory and nothing else."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

import adasr
from adasr.errors import OptionError
from adasr.training.ema import EMA
from adasr.training.rematerialize import body, checkpoint_activations

NETWORKS = [
    ({"type": "SRResNet", "num_feat": 8, "num_block": 3, "upscale": 2}, 3),
    ({"type": "RRDBNet", "num_feat": 8, "num_block": 2, "num_grow_ch": 4, "upscale": 2}, 2),
    ({"type": "SwinIR", "embed_dim": 12, "depths": [1, 1], "num_heads": [2, 2], "upscale": 2}, 2),
]


def _saved_bytes(net: nn.Module, lq: torch.Tensor) -> tuple[int, list[torch.Tensor]]:
    """Bytes of features kept for the backward pass, and the gradients."""
    kept: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        if not isinstance(tensor, nn.Parameter):
            kept[tensor.data_ptr()] = tensor.numel() * tensor.element_size()
        return tensor

    torch.manual_seed(1)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        loss = net(lq).square().mean()
    total = sum(kept.values())
    loss.backward()
    gradients = [p.grad for p in net.parameters() if p.grad is not None]
    net.zero_grad(set_to_none=True)
    return total, gradients


@pytest.mark.parametrize(("options", "blocks"), NETWORKS, ids=lambda o: str(o)[:20])
def test_gradients_are_the_same_and_memory_is_less(options, blocks):
    net = adasr.build_network(options)
    adasr.attach(net, adasr.AdaptiveDropout(0.5, 0.3))
    lq = torch.rand(2, 3, 16, 16)
    before, expected = _saved_bytes(net, lq)
    assert checkpoint_activations(net) == blocks
    after, gradients = _saved_bytes(net, lq)
    assert len(gradients) == len(expected)
    for ours, theirs in zip(gradients, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-9)
    assert after < 0.9 * before


def test_weights_names_and_copies_stay_as_they_are():
    net = adasr.build_network(NETWORKS[0][0])
    names = list(net.state_dict())
    checkpoint_activations(net)
    assert list(net.state_dict()) == names
    copied = copy.deepcopy(net)
    with torch.no_grad():
        for parameter in net.body.parameters():
            parameter.zero_()
    lq = torch.rand(1, 3, 8, 8)
    assert not torch.equal(copied(lq), net(lq))  # the copy's blocks compute with its own weights
    assert torch.isfinite(EMA(net, 0.9).network(lq)).all()


def test_a_network_without_blocks_is_refused():
    net = nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), nn.ReLU(), nn.Conv2d(3, 3, 3, padding=1))
    with pytest.raises(OptionError, match="no body of repeated blocks"):
        body(net)
