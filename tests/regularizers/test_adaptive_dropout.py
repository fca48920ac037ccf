from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from adasr.errors import OptionError
from adasr.regularizers.adaptive_dropout import AdaptiveDropout
from adasr.regularizers.channel_dropout import ChannelDropout
from adasr.regularizers.element_dropout import ElementDropout


@pytest.mark.parametrize(("p", "w"), [(0.5, 0.3), (0.7, 0.0), (0.2, 0.9)])
def test_blend_has_the_stated_mean_and_variance(p: float, w: float) -> None:
    torch.manual_seed(0)
    scale = AdaptiveDropout(p, w)(torch.ones(2000, 64, 1, 1)).flatten()
    assert scale.mean().item() == pytest.approx(1.0, abs=0.01)
    assert scale.var().item() == pytest.approx((1 - w) ** 2 * p / (1 - p), rel=0.03)
    assert len(scale.unique()) == 2


def test_blend_equals_three_operations_with_torchs_own_dropout() -> None:
    x = torch.randn(4, 32, 6, 5)
    torch.manual_seed(7)
    ours = AdaptiveDropout(0.5, 0.3)(x)
    torch.manual_seed(7)
    keep = F.dropout2d(torch.ones(4, 32, 1, 1), 0.5)
    torch.testing.assert_close(ours, 0.3 * x + 0.7 * x * keep)


def test_gradient_is_the_scale() -> None:
    x = torch.randn(2, 8, 3, 3, requires_grad=True)
    y = AdaptiveDropout(0.5, 0.3)(x)
    y.sum().backward()
    torch.testing.assert_close(x.grad, (y / x).detach(), rtol=1e-4, atol=1e-5)


def test_one_mask_for_each_sample_and_channel() -> None:
    y = AdaptiveDropout(0.5, 0.3)(torch.ones(8, 16, 5, 4))
    assert torch.equal(y, y[:, :, :1, :1].expand_as(y))
    tokens = AdaptiveDropout(0.5, 0.3)(torch.ones(8, 20, 16))
    assert torch.equal(tokens, tokens[:, :1].expand_as(tokens))
    assert len(tokens[0, 0].unique()) == 2
    last = AdaptiveDropout(0.5, 0.3, channel_axis=-1)(torch.ones(8, 5, 4, 16))
    assert torch.equal(last, last[:, :1, :1].expand_as(last))


def test_weight_one_changes_nothing_and_draws_no_random_number() -> None:
    x = torch.randn(2, 8, 3, 3)
    before = torch.get_rng_state()
    site = AdaptiveDropout(0.5, 0.3)
    site.weight = 1.0
    assert site(x) is x
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    "regularizer",
    [
        AdaptiveDropout(),
        AdaptiveDropout(gate="vector").for_site(8),
        ChannelDropout(),
        ElementDropout(),
    ],
)
def test_evaluation_is_the_identity(regularizer: torch.nn.Module) -> None:
    x = torch.randn(2, 8, 3, 3)
    assert torch.equal(regularizer.eval()(x), x)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
def test_type_and_memory_format_are_kept(dtype: torch.dtype) -> None:
    x = torch.randn(2, 8, 4, 4).to(dtype=dtype, memory_format=torch.channels_last)
    y = AdaptiveDropout()(x)
    assert y.dtype == dtype
    assert y.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("shape", [(4, 32, 5, 6), (4, 30, 32), (4, 32, 1, 1)])
@pytest.mark.parametrize(("gate", "count"), [("vector", 32), ("scalar", 1)])
def test_gate_predicts_a_weight_that_learns(shape: tuple[int, ...], gate: str, count: int) -> None:
    torch.manual_seed(1)
    x = torch.randn(shape)
    site = AdaptiveDropout(0.5, gate=gate, reduction=4).for_site(32)
    y = site(x)
    assert y.shape == x.shape
    y.square().sum().backward()
    assert site.gate is not None
    assert site.gate[0].weight.shape == (8, 32)
    assert site.gate[2].weight.shape == (count, 8)
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in site.gate.parameters())
    assert 0.0 < site.weight < 1.0


def test_gate_blends_with_the_weight_it_predicts() -> None:
    site = AdaptiveDropout(0.5, gate="scalar").for_site(4)
    x = torch.ones(1, 4, 2, 2)
    assert site.gate is not None
    w = site.gate(torch.ones(1, 4)).item()
    values = torch.stack([site(x).detach() for _ in range(50)]).unique()
    torch.testing.assert_close(values, torch.tensor([w, w + (1 - w) * 2]))


def test_channel_dropout_is_kongs_recipe() -> None:
    x = torch.rand(64, 64, 4, 4) + 0.1
    torch.manual_seed(1)
    y = ChannelDropout(0.7)(x)
    dropped = (y == 0).flatten(2)
    assert torch.equal(dropped.any(-1), dropped.all(-1))
    assert dropped.float().mean().item() == pytest.approx(0.7, abs=0.03)
    kept = y != 0
    torch.testing.assert_close(y[kept], x[kept] / 0.3, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "key"),
    [
        ({"p": 1.0}, "p"),
        ({"p": -0.1}, "p"),
        ({"weight": 1.2}, "weight"),
        ({"gate": "matrix"}, "gate"),
        ({"gate": "vector", "reduction": 0}, "reduction"),
    ],
)
def test_values_out_of_range_are_named(arguments: dict, key: str) -> None:
    with pytest.raises(OptionError) as caught:
        AdaptiveDropout(**arguments)
    assert caught.value.key == (key,)


def test_feature_of_unknown_layout_is_refused() -> None:
    with pytest.raises(OptionError, match="neither"):
        AdaptiveDropout()(torch.ones(2, 3))
