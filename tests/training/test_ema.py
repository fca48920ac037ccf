from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

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
