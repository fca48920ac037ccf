"""Sharpened and plain GT of the same crops, as Real-ESRGAN's losses want them."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from adasr.registry import DEGRADATION_REGISTRY


def degraded(batch: Tensor, kind: str, together: bool, **options: Any) -> tuple[Tensor, ...]:
    """Crops of 64 pixels, by the samples' or by the batches' way."""
    arguments = {key: options.pop(key) for key in ("views", "gt_plain") if key in options}
    degradation = DEGRADATION_REGISTRY.build({"type": kind, **options}, scale=4)
    degrade = degradation.degrade_together if together else degradation
    return degrade(batch, torch.Generator().manual_seed(7), 64, **arguments)


KINDS = [
    ("RealESRGAN", False),
    ("RealESRGAN", True),
    ("RealESRGANFirstOrder", True),
    ("BSRGAN", False),
]


@pytest.mark.parametrize(("kind", "together"), KINDS)
def test_the_third_is_the_target_without_sharpening(
    batch: Tensor, kind: str, together: bool
) -> None:
    lq, sharp, plain = degraded(batch, kind, together, gt_usm=True, gt_plain=True, views=2)
    _, expected = degraded(batch, kind, together, gt_usm=False, views=2)
    assert torch.equal(plain, expected)
    assert (sharp - plain).abs().mean() > 1e-3
    asked_for_one = degraded(batch, kind, together, gt_usm=True, views=2)
    assert len(asked_for_one) == 2
    assert torch.equal(lq, asked_for_one[0])
    assert torch.equal(sharp, asked_for_one[1])


def test_without_sharpening_both_are_the_same(batch: Tensor) -> None:
    _, gt, plain = degraded(batch, "RealESRGAN", False, gt_usm=False, gt_plain=True)
    assert torch.equal(gt, plain)
