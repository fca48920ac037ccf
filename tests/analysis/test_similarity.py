"""Similarity of features: linear CKA by its other formula, and what must not matter."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from adasr.analysis.similarity import LinearCKA, draw_similarity, measure_similarity
from adasr.errors import AdasrError, OptionError


def _cka(x: Tensor, y: Tensor, parts: int = 1) -> float:
    sums = LinearCKA()
    for a, b in zip(x.chunk(parts), y.chunk(parts), strict=True):
        sums.add(a, b)
    return sums.value()


def test_linear_cka_is_that_of_the_gram_matrices() -> None:
    x = torch.randn(3, 4, 10, dtype=torch.float64)
    y = torch.randn(3, 6, 10, dtype=torch.float64) + 5
    flat = [v.transpose(1, 2).reshape(30, -1).numpy() for v in (x, y)]
    centre = np.eye(30) - 1 / 30
    k, l = (centre @ (v @ v.T) @ centre for v in flat)  # noqa: E741  Kornblith's letters
    expected = (k * l).sum() / np.sqrt((k * k).sum() * (l * l).sum())  # HSIC, their eq. 3 and 4
    assert _cka(x, y) == pytest.approx(expected)
    assert _cka(x, y, parts=3) == pytest.approx(expected)


def test_rotating_scaling_and_shifting_channels_changes_nothing() -> None:
    x = torch.randn(2, 5, 30, dtype=torch.float64)
    turn = torch.linalg.qr(torch.randn(5, 5, dtype=torch.float64))[0]
    y = 3 * torch.einsum("dc,ncp->ndp", turn, x) + torch.arange(5.0)[:, None]
    assert _cka(x, y) == pytest.approx(1)
    assert _cka(x, torch.randn_like(x)) < 0.5
    assert np.isnan(_cka(x, torch.ones_like(x)))


def test_the_same_image_is_the_same_and_more_noise_is_less_so(net: nn.Module, lq: Tensor) -> None:
    noise = torch.randn_like(lq)
    degraded = {"none": lq, "little": lq + 0.02 * noise, "much": lq + 0.3 * noise}
    sites = ["body.0.conv1", "body.1.conv1", "conv_last:input"]
    found = measure_similarity(net, lq, degraded, sites)
    assert found.cosine["none"] == pytest.approx((1.0,) * 3)
    assert found.cka["none"] == pytest.approx((1.0,) * 3)
    for values in (found.cosine, found.cka):
        assert all(m < s < 1 for m, s in zip(values["much"], values["little"], strict=True))
    draw_similarity({"one": found}).canvas.draw()


def test_cosine_is_that_of_the_whole_feature(lq: Tensor) -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(inplace=True), nn.Conv2d(4, 3, 3))
    other = torch.rand_like(lq)
    found = measure_similarity(net, lq, {"other": other}, ["0"])
    with torch.no_grad():
        a, b = (net[0](x).double().flatten(1).numpy() for x in (lq, other))
    each = (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    assert found.cosine["other"][0] == pytest.approx(each.mean())


def test_it_leaves_no_trace(
    net: nn.Module, lq: Tensor, trace: Callable[[nn.Module], object]
) -> None:
    net.train()
    before = trace(net)
    measure_similarity(net, lq, {"same": lq}, ["conv_last:input"])
    with pytest.raises(AdasrError, match="under broken is not finite"):
        measure_similarity(net, lq, {"broken": lq * float("nan")}, ["conv_last:input"])
    with pytest.raises(OptionError, match="degraded"):
        measure_similarity(net, lq, {}, ["conv_last:input"])
    assert trace(net) == before
