"""Zeroing a channel is the same as zeroing the weights that read it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from adasr.analysis.zeroing import draw_zeroing, measure_zeroing
from adasr.metrics.psnr import PSNR


def test_it_is_as_if_the_next_layer_did_not_read_the_channel(net: nn.Module, lq: Tensor) -> None:
    gt = torch.rand(2, 3, 32, 32)
    found = measure_zeroing(net, lq[:2], gt, "conv_last:input")
    metric = PSNR(crop_border=2, test_y_channel=True)
    with torch.no_grad():
        whole = [metric(net(x[None])[0], t) for x, t in zip(lq[:2], gt, strict=True)]
        assert found.psnr == pytest.approx(np.mean(whole))
        weight = net.conv_last.weight  # type: ignore[union-attr]
        for channel in range(8):
            held = weight[:, channel].clone()
            weight[:, channel] = 0
            without = [metric(net(x[None])[0], t) for x, t in zip(lq[:2], gt, strict=True)]
            weight[:, channel] = held
            expected = np.mean(whole) - np.mean(without)
            assert found.drops[channel] == pytest.approx(expected, abs=1e-3)


def test_a_channel_that_carries_the_image_is_found() -> None:
    net = nn.Sequential(nn.Conv2d(3, 10, 1), nn.Conv2d(10, 3, 1))
    with torch.no_grad():
        for layer in net:
            layer.weight.mul_(0.01)  # type: ignore[union-attr]
            layer.bias.zero_()  # type: ignore[union-attr]
        net[0].weight[7] = 1 / 3  # type: ignore[index]
        net[1].weight[:, 7] = 1.0  # type: ignore[index]
        net[1].bias.fill_(0.01)  # type: ignore[union-attr]
    gray = torch.rand(2, 1, 16, 16).expand(-1, 3, -1, -1)
    found = measure_zeroing(net, gray, gray, "1:input")
    assert int(np.argmax(found.drops)) == 7
    assert found.costly == 1
    assert found.drops[7] > 20
    draw_zeroing({"one": found}).canvas.draw()


def test_a_perfect_output_has_a_finite_score(lq: Tensor) -> None:
    net = nn.Conv2d(3, 3, 1, bias=False)
    nn.init.eye_(net.weight[..., 0, 0])
    wrapped = nn.Sequential(net, nn.Identity())
    found = measure_zeroing(wrapped, lq[:1], lq[:1], "1")
    assert found.psnr == 100.0
    assert all(50 < drop < 100 for drop in found.drops)


def test_it_leaves_no_trace(
    net: nn.Module, lq: Tensor, trace: Callable[[nn.Module], object]
) -> None:
    net.train()
    gt = torch.rand(1, 3, 32, 32)
    before = trace(net)
    measure_zeroing(net, lq[:1], gt, "body.0.conv1")
    assert trace(net) == before
