"""Channel saliency: gradients by hand, and how unevenness is counted."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from adasr.analysis.saliency import draw_saliency, edges, gini, measure_saliency
from adasr.errors import AdasrError


def test_edges_are_the_gradient_magnitude() -> None:
    image = torch.rand(2, 3, 5, 7, dtype=torch.float64)
    pixels = image.numpy()
    expected = np.zeros(2)
    for n in range(2):
        for c in range(3):
            for y in range(4):
                for x in range(6):
                    here = pixels[n, c, y, x]
                    down, right = pixels[n, c, y + 1, x] - here, pixels[n, c, y, x + 1] - here
                    expected[n] += np.hypot(down, right)
    np.testing.assert_allclose(edges(image).numpy(), expected, rtol=1e-6)


def test_a_flat_image_has_a_finite_gradient() -> None:
    image = torch.full((1, 3, 4, 4), 0.5, requires_grad=True)
    edges(image).sum().backward()
    assert image.grad is not None
    assert image.grad.isfinite().all()


@pytest.mark.parametrize("values", [[1, 0, 0, 0], [1, 1, 1], [0.1, 0.2, 0.3, 0.4], [5]])
def test_gini_is_half_the_relative_mean_difference(values: list[float]) -> None:
    x = np.array(values)
    expected = np.abs(x[:, None] - x[None]).mean() / (2 * x.mean())
    assert gini(x) == pytest.approx(expected)


def test_saliency_is_the_gradient_of_the_edges_by_each_channel(lq: Tensor) -> None:
    net = nn.Sequential(nn.Conv2d(3, 5, 1), nn.Conv2d(5, 3, 1))
    found = measure_saliency(net, lq, ["1:input"])
    with torch.no_grad():
        feature = net[0](lq)
    by_hand = []
    for image in feature:
        one = image[None].clone().requires_grad_()
        (grad,) = torch.autograd.grad(edges(net[1](one)).sum(), one)
        share = grad[0].abs().sum((1, 2))
        by_hand.append((share / share.sum()).numpy())
    np.testing.assert_allclose(found.sites[0].share, np.mean(by_hand, 0), rtol=1e-4)
    assert sum(found.sites[0].share) == pytest.approx(1)
    assert list(found.channels) == list(np.argsort(found.sites[0].share)[::-1])


def test_a_network_may_change_its_features_in_place(lq: Tensor) -> None:
    torch.manual_seed(0)
    first, last = nn.Conv2d(3, 5, 3), nn.Conv2d(5, 3, 3)
    careful = nn.Sequential(first, nn.ReLU(), last)
    careless = nn.Sequential(first, nn.ReLU(inplace=True), last)
    found = [measure_saliency(net, lq, ["0", "1", "2:input"]) for net in (careful, careless)]
    assert found[0] == found[1]


def test_dead_channels_are_counted_and_a_dead_site_has_no_balance(lq: Tensor) -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(), nn.Conv2d(4, 3, 1))
    with torch.no_grad():
        net[2].weight[:, 1] = 0  # type: ignore[index]
    found = measure_saliency(net, lq, ["2:input"]).sites[0]
    assert (found.dead, found.share[1]) == (1, 0.0)
    with torch.no_grad():
        net[0].bias.fill_(-100)  # type: ignore[union-attr]
        net[2].bias.fill_(0.5)  # type: ignore[union-attr]
    shut = measure_saliency(net, lq, ["0", "2:input"])
    assert shut.sites[0].dead == 4
    assert np.isnan(shut.sites[0].gini)
    draw_saliency({"shut": shut}).canvas.draw()


def test_gradient_times_feature_does_not_see_the_scale_of_a_channel(lq: Tensor) -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(), nn.Conv2d(4, 3, 1))
    before = measure_saliency(net, lq, ["2:input"]).sites[0]
    with torch.no_grad():  # the same function with one channel a hundred times larger
        net[0].weight[0] *= 100  # type: ignore[index]
        net[0].bias[0] *= 100  # type: ignore[index]
        net[2].weight[:, 0] /= 100  # type: ignore[index]
    after = measure_saliency(net, lq, ["2:input"]).sites[0]
    assert after.contribution_gini == pytest.approx(before.contribution_gini, rel=1e-4)
    assert after.gini > before.gini + 0.02


def test_it_leaves_no_trace(
    net: nn.Module, lq: Tensor, trace: Callable[[nn.Module], object]
) -> None:
    net.train()
    next(net.parameters()).requires_grad_(False)
    before = trace(net)
    with torch.no_grad():  # it takes its gradients wherever it is called
        measure_saliency(net, lq, ["body.0.conv1", "conv_last:input"])
    with pytest.raises(AdasrError, match="not finite"):
        measure_saliency(net, lq * float("inf"), ["conv_last:input"])
    assert trace(net) == before
