from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from adasr.errors import OptionError
from adasr.losses.alignment import FeatureAlignment, fourier_alignment, linear_alignment
from adasr.registry import LOSS_REGISTRY


def reference(features: np.ndarray, draws: tuple[np.ndarray, np.ndarray] | None = None) -> float:
    """Image by image, with explicit covariances; ``draws`` of frequency and phase for the second
    term."""
    n = len(features) // 2
    pooled = features.reshape(2, n, features.shape[1], -1).mean(-1)
    pooled = pooled - pooled.mean(1, keepdims=True)
    total = 0.0
    for i in range(n):
        pair = list(pooled[:, i])
        for view in range(2) if draws is not None else ():
            m = draws[0][i, 0] * pair[view] + draws[1][i]
            angle = np.interp(m, [m.min(), m.max()], [0.0, np.pi / 2])
            pair[view] = np.sqrt(2) * (np.cos(angle) + np.sin(angle))
        u, v = pair
        total += np.mean((u - v) ** 2) + np.mean((np.outer(u, u) - np.outer(v, v)) ** 2)
    return total


@pytest.fixture
def features() -> torch.Tensor:
    return torch.randn(6, 5, 4, 3, dtype=torch.float64)


@pytest.fixture
def draws() -> tuple[torch.Tensor, torch.Tensor]:
    return torch.randn(3, 1, dtype=torch.float64), 6.28 * torch.rand(3, 5, dtype=torch.float64)


def test_the_authors_value(shared: Path) -> None:
    golden = load_file(shared / "golden" / "wang2024_simple_align.safetensors")
    wanted = golden["linear_alignment"].squeeze()
    value = linear_alignment(golden["features"])
    torch.testing.assert_close(value, wanted, atol=1e-6, rtol=1e-5)
    loss = LOSS_REGISTRY.build({"type": "FeatureAlignment", "loss_weight": 0.5, "fourier": False})
    terms = loss(golden["features"])
    assert list(terms) == ["linear"]
    torch.testing.assert_close(terms["linear"], 0.5 * wanted, atol=1e-6, rtol=1e-5)


def test_both_terms_are_those_of_the_paper(
    features: torch.Tensor, draws: tuple[torch.Tensor, torch.Tensor]
) -> None:
    assert linear_alignment(features).item() == pytest.approx(reference(features.numpy()))
    value = fourier_alignment(features, *draws).item()
    assert value == pytest.approx(reference(features.numpy(), (draws[0].numpy(), draws[1].numpy())))


def test_the_gradients_are_right(
    features: torch.Tensor, draws: tuple[torch.Tensor, torch.Tensor]
) -> None:
    features.requires_grad_()
    assert torch.autograd.gradcheck(linear_alignment, (features,))
    assert torch.autograd.gradcheck(lambda x: fourier_alignment(x, *draws), (features,))


def test_the_frequency_is_normal_and_each_images_and_the_phase_uniform_and_each_channels(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    drawn = []

    def remember(features: torch.Tensor, *draws: torch.Tensor) -> torch.Tensor:
        drawn.append(draws)
        return features.sum()

    monkeypatch.setattr("adasr.losses.alignment.fourier_alignment", remember)
    loss = FeatureAlignment(loss_weight=0.0)
    loss(torch.zeros(8000, 4, 1, 1))
    loss(torch.zeros(8000, 4, 1, 1))
    frequency, phase = drawn[0]
    assert frequency.shape == (4000, 1)
    assert frequency.mean().item() == pytest.approx(0, abs=0.06)
    assert frequency.std().item() == pytest.approx(1, abs=0.05)
    assert phase.shape == (4000, 4)
    assert phase.min() >= 0
    assert phase.max() < 2 * math.pi
    assert phase.mean(0).tolist() == pytest.approx([math.pi] * 4, abs=0.12)
    assert phase.std(0).tolist() == pytest.approx([2 * math.pi / 12**0.5] * 4, abs=0.08)
    assert not torch.equal(frequency, drawn[1][0])  # fresh in every call


def test_one_seed_gives_one_value(features: torch.Tensor) -> None:
    loss = FeatureAlignment()
    torch.manual_seed(5)
    first = loss(features)
    torch.manual_seed(5)
    assert torch.equal(loss(features)["fourier"], first["fourier"])
    assert not torch.equal(loss(features)["fourier"], first["fourier"])


def test_equal_statistics_cost_nothing_and_differences_have_a_gradient() -> None:
    features = torch.randn(3, 4, 5, 6)
    same = torch.cat([features, features.flip(2) + 0.7])  # pooling and centring undo both
    for value in FeatureAlignment()(same).values():
        assert value.item() == pytest.approx(0.0, abs=1e-9)
    other = torch.randn(6, 4, 5, 6, requires_grad=True)
    for value in FeatureAlignment()(other).values():
        (gradient,) = torch.autograd.grad(value, other, retain_graph=True)
        assert gradient.abs().sum() > 0


@pytest.mark.parametrize("shape", [(6, 1, 4, 4), (2, 5, 4, 4)])
def test_where_nothing_can_differ_nothing_becomes_nan(shape: tuple[int, ...]) -> None:
    features = torch.randn(shape, requires_grad=True)  # one channel; one image
    terms = FeatureAlignment()(features)
    assert terms["fourier"] == 0
    sum(terms.values(), torch.tensor(0.0)).backward()
    assert features.grad is not None
    assert torch.isfinite(features.grad).all()


def test_channels_that_all_agree_have_a_finite_gradient() -> None:
    features = torch.ones(6, 4, 2, 2, requires_grad=True)
    value = fourier_alignment(features, torch.randn(3, 1), torch.full((3, 4), 2.0))
    value.backward()
    assert value == 0
    assert features.grad is not None
    assert torch.isfinite(features.grad).all()


def test_halves_must_pair() -> None:
    with pytest.raises(ValueError, match="expected features"):
        linear_alignment(torch.zeros(3, 4, 5, 6))
    with pytest.raises(ValueError, match="expected features"):
        FeatureAlignment()(torch.zeros(4, 5, 6))


def test_options_are_checked() -> None:
    with pytest.raises(OptionError, match="loss_weight: must be finite and 0 or more"):
        FeatureAlignment(loss_weight=-1)
    with pytest.raises(OptionError, match="site: names no site"):
        FeatureAlignment(site=" ")
