from __future__ import annotations

import copy

import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils._python_dispatch import TorchDispatchMode

from adasr.errors import OptionError
from adasr.regularizers.adaptive_dropout import AdaptiveDropout
from adasr.regularizers.sites import attach
from adasr.training.ema import EMA


def make_net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Conv2d(8, 3, 3))


def test_average_is_torchs() -> None:
    net = make_net()
    ours = EMA(net, 0.9)
    theirs = AveragedModel(net, multi_avg_fn=get_ema_multi_avg_fn(0.9))
    theirs.update_parameters(net)  # its first update copies
    for _ in range(5):
        with torch.no_grad():
            for p in net.parameters():
                p.add_(torch.randn_like(p))
        ours.update()
        theirs.update_parameters(net)
    for a, b in zip(ours.network.parameters(), theirs.module.parameters(), strict=True):
        torch.testing.assert_close(a, b)


def test_buffers_are_copied_and_the_copy_is_idle() -> None:
    net = make_net()
    attach(net, AdaptiveDropout(gate="scalar"), sites="0")
    ema = EMA(net, 0.9)
    net(torch.randn(2, 3, 8, 8))
    ema.update()
    assert torch.equal(ema.network[1].running_mean, net[1].running_mean)
    assert not ema.network.training
    assert not any(p.requires_grad for p in ema.network.parameters())
    assert not any("adasr" in key for key in ema.network.state_dict())


def test_decay_zero_follows_exactly() -> None:
    net = make_net()
    ema = EMA(net, 0.0)
    with torch.no_grad():
        net[0].weight.add_(1.0)
    ema.update()
    assert torch.equal(ema.network[0].weight, net[0].weight)


def test_decay_out_of_range() -> None:
    with pytest.raises(OptionError, match="ema_decay"):
        EMA(make_net(), 1.0)


@pytest.mark.parametrize("decay", [0.9, 0.0])
def test_it_stands_still_for_a_step_that_only_the_device_knows_to_be_left_out(
    decay: float, never_waits: TorchDispatchMode
) -> None:
    net = make_net()
    plain, told = EMA(net, decay), EMA(net, decay)
    net(torch.randn(2, 3, 8, 8))
    with torch.no_grad():
        net[0].weight.add_(1.0)
    before = copy.deepcopy(told.network.state_dict())
    with never_waits:
        told.update(torch.tensor(True))
    for key, value in told.network.state_dict().items():
        assert torch.equal(value, before[key]), key
    plain.update()
    with never_waits:
        told.update(torch.tensor(False))
    for key, value in told.network.state_dict().items():
        torch.testing.assert_close(value, plain.network.state_dict()[key], rtol=1e-6, atol=1e-7)
