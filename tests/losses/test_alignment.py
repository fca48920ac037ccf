from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from adasr.losses.alignment import linear_alignment


def test_the_authors_value(shared: Path) -> None:
    golden = load_file(shared / "golden" / "wang2024_simple_align.safetensors")
    value = linear_alignment(golden["features"])
    torch.testing.assert_close(value, golden["linear_alignment"].squeeze(), atol=1e-6, rtol=1e-5)


def test_equal_statistics_cost_nothing_and_differences_have_a_gradient() -> None:
    features = torch.randn(3, 4, 5, 6)
    same = torch.cat([features, features.flip(2) + 0.7])  # pooling and centring undo both
    assert linear_alignment(same).item() == pytest.approx(0.0, abs=1e-10)
    other = torch.randn(6, 4, 5, 6, requires_grad=True)
    linear_alignment(other).backward()
    assert other.grad is not None
    assert other.grad.abs().sum() > 0


def test_halves_must_pair() -> None:
    with pytest.raises(ValueError, match="expected features"):
        linear_alignment(torch.zeros(3, 4, 5, 6))
