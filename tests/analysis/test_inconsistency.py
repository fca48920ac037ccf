"""Variance shifts: measured, by the paper's formula, and as the authors' code has them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from adasr.analysis.inconsistency import draw_inconsistency, measure_inconsistency
from adasr.archs.keys import canonical_keys
from adasr.errors import OptionError
from adasr.regularizers.adaptive_dropout import AdaptiveDropout
from adasr.regularizers.base import Regularizer
from adasr.regularizers.channel_dropout import ChannelDropout
from adasr.regularizers.element_dropout import ElementDropout
from adasr.weights import build_network

Trace = Callable[[nn.Module], object]


@pytest.mark.parametrize(
    ("regularizer", "weight"),
    [
        (AdaptiveDropout(0.5, 0.3), 0.3),
        (AdaptiveDropout(0.2), 0.0),
        (ChannelDropout(0.7), None),
        (ElementDropout(0.5), None),
    ],
)
def test_one_site_alone_shifts_as_the_formula_of_the_paper_says(
    net: nn.Module, lq: Tensor, regularizer: Regularizer, weight: float | None
) -> None:
    found = measure_inconsistency(net, lq, regularizer, "body.0.conv1", {"": weight}, draws=200)
    (site,) = found.conditions[0].sites
    feature: list[Tensor] = []
    with net.body[0].conv1.register_forward_hook(lambda m, a, out: feature.append(out)):  # type: ignore[index]
        net(lq)
    feature = [feature[0].detach()]
    mean, variance = feature[0].mean((0, 2, 3)), feature[0].var((0, 2, 3), correction=0)
    p, w = regularizer.p, weight or 0.0
    each = p / (1 - p) * (mean**2 / variance + 1) * (1 - w) ** 2  # of each channel, Xu et al.
    expected = float((each * variance).sum() / variance.sum())
    assert site.analytic == pytest.approx(expected, rel=1e-4)
    assert abs(site.shift - expected) < 4 * site.error + 1e-4
    assert site.error < 0.15 * expected


def test_the_error_bar_covers_the_truth_as_often_as_it_should(net: nn.Module, lq: Tensor) -> None:
    off = []
    for seed in range(25):
        found = measure_inconsistency(
            net, lq[:2], ChannelDropout(0.5), "body.0.conv1", {"": None}, draws=12, seed=seed
        )
        (site,) = found.conditions[0].sites
        assert site.analytic is not None
        off.append((site.shift - site.analytic) / site.error)
    assert abs(np.mean(off)) < 0.7  # no bias
    assert 0.6 < np.std(off) < 1.7


def test_outputs_in_training_scatter_as_those_of_the_authors_code(shared: Path) -> None:
    golden = load_file(shared / "golden" / "xu2025_srresnet_train_stats.safetensors")
    net = _network(golden)
    with torch.no_grad():
        tested = net(golden["input"])
    bias = float((golden["train_mean"] - tested).square().mean().sqrt()) * 255
    spread = float(golden["train_std"].square().mean().sqrt()) * 255
    images = golden["input"].repeat(8, 1, 1, 1)
    found = measure_inconsistency(
        net, images, AdaptiveDropout(0.5, 0.3), "default", {"": 0.3}, draws=150
    )
    assert found.conditions[0].output_spread == pytest.approx(spread, rel=0.05)
    assert found.conditions[0].output_bias == pytest.approx(bias, rel=0.1)


def test_the_blend_shifts_less_and_a_weight_of_one_not_at_all(net: nn.Module, lq: Tensor) -> None:
    conditions = {"0": 0.0, "0.5": 0.5, "1": 1.0}
    found = measure_inconsistency(net, lq, AdaptiveDropout(0.5), None, conditions, draws=32)
    alone, half, none = (shifts.sites for shifts in found.conditions)
    assert [site.site for site in alone] == ["body.0.conv1", "body.1.conv1", "conv_last:input"]
    assert all(h.shift < a.shift / 2 for a, h in zip(alone, half, strict=True))
    assert all(abs(site.shift) < 1e-9 and site.mean_shift < 1e-6 for site in none)
    assert found.conditions[2].output_bias == found.conditions[2].output_spread == 0


def test_each_site_can_have_a_weight_of_its_own(net: nn.Module, lq: Tensor) -> None:
    found = measure_inconsistency(net, lq, AdaptiveDropout(0.5), None, {"": [1.0, 1.0, 0.0]})
    first, second, last = found.conditions[0].sites
    assert (first.shift, second.shift) == (pytest.approx(0, abs=1e-9),) * 2
    assert last.shift > 0.3


def test_it_leaves_no_trace_and_the_seed_decides(net: nn.Module, lq: Tensor, trace: Trace) -> None:
    net.train()
    net.body[0].eval()  # type: ignore[index]
    before = trace(net)
    one, same, other = (
        measure_inconsistency(net, lq, ChannelDropout(), None, {"": None}, draws=3, seed=seed)
        for seed in (5, 5, 6)
    )
    assert trace(net) == before
    assert one == same
    assert one != other


def test_a_failure_leaves_no_trace_either(net: nn.Module, lq: Tensor, trace: Trace) -> None:
    before = trace(net)
    with pytest.raises(Exception, match="not finite"):
        measure_inconsistency(net, lq * float("nan"), ChannelDropout(), None, {"": None})
    assert trace(net) == before
    with pytest.raises(OptionError, match="at least 2"):
        measure_inconsistency(net, lq, ChannelDropout(), None, {"": None}, draws=1)


def test_normalizations_keep_their_statistics(lq: Tensor) -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 3, 3))
    net.train()
    before = {key: value.clone() for key, value in net.state_dict().items()}
    measure_inconsistency(net, lq, ChannelDropout(0.5), "2", {"": None}, draws=2)
    assert all(torch.equal(before[key], value) for key, value in net.state_dict().items())
    assert net[1].training


def test_a_constant_feature_has_no_shift_and_is_drawn_all_the_same(lq: Tensor) -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Conv2d(4, 4, 1), nn.Conv2d(4, 3, 1))
    nn.init.zeros_(net[0].weight)  # type: ignore[arg-type]
    found = measure_inconsistency(net, lq, ChannelDropout(0.5), ["0", "1"], {"": None}, draws=2)
    assert np.isnan(found.conditions[0].sites[0].shift)
    draw_inconsistency({"one": found}).canvas.draw()


def test_tokens_of_attention_count_too(lq: Tensor) -> None:
    class Tokens(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed, self.back = nn.Linear(3, 6), nn.Linear(6, 3)

        def forward(self, x: Tensor) -> Tensor:
            tokens = self.back(self.embed(x.flatten(2).transpose(1, 2)))
            return tokens.transpose(1, 2).reshape(x.shape)

    found = measure_inconsistency(Tokens(), lq, ChannelDropout(0.5), "embed", {"": None}, draws=300)
    (site,) = found.conditions[0].sites
    assert site.analytic is not None
    assert abs(site.shift - site.analytic) < 4 * site.error


def test_a_network_of_the_authors_can_be_measured(shared: Path) -> None:
    golden = load_file(shared / "golden" / "kong2022_srresnet_x4.safetensors")
    net = _network(golden)
    found = measure_inconsistency(net, golden["input"], ChannelDropout(0.7), None, {"": None})
    assert [site.site for site in found.conditions[0].sites] == ["conv_last:input"]


def _network(golden: dict[str, Tensor]) -> nn.Module:
    net = build_network({"type": "SRResNet", "num_feat": 8, "upscale": 4})
    held = {k.removeprefix("state."): v for k, v in golden.items() if k.startswith("state.")}
    net.load_state_dict(canonical_keys(held))
    return net.eval()
