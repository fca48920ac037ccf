"""Several random degradations of the same crops."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from adasr.degradations.first_order import RealESRGANFirstOrder
from adasr.degradations.frame_degradation import FrameDegradation
from adasr.degradations.real_esrgan import RealESRGAN
from adasr.registry import DEGRADATION_REGISTRY

RANDOM = [RealESRGAN, RealESRGANFirstOrder]


def seeded(seed: int = 7) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("kind", RANDOM)
def test_views_share_the_crop_and_its_order_and_differ_in_the_degradation(
    batch: Tensor, kind: type[FrameDegradation]
) -> None:
    degrade = DEGRADATION_REGISTRY.build({"type": kind.__name__}, scale=4)
    lq, gt = degrade(batch, seeded(), 64, views=2)
    assert lq.shape == (8, 3, 16, 16)
    assert gt.shape == (8, 3, 64, 64)
    assert torch.equal(gt[:4], gt[4:])
    assert all((lq[i] - lq[4 + i]).abs().max() > 0.02 for i in range(4))


@pytest.mark.parametrize("kind", RANDOM)
def test_the_first_view_is_what_one_view_gives(batch: Tensor, kind: type[FrameDegradation]) -> None:
    degrade = DEGRADATION_REGISTRY.build({"type": kind.__name__}, scale=4)
    (lq, gt), (one_lq, one_gt) = degrade(batch, seeded(), 64, 3), degrade(batch, seeded(), 64)
    assert lq.shape[0] == 12
    assert torch.equal(lq[:4], one_lq)
    assert torch.equal(gt[:4], one_gt)
    again = degrade(batch, seeded(), 64, views=3)
    assert torch.equal(again[0], lq)


def test_both_views_lie_over_their_gt(batch: Tensor) -> None:
    nothing = {
        "resize_prob": [0, 0, 1], "resize_prob2": [0, 0, 1], "noise_range": [0, 0],
        "noise_range2": [0, 0], "gaussian_noise_prob": 1, "gaussian_noise_prob2": 1,
        "jpeg_range": [99, 100], "jpeg_range2": [99, 100], "blur_sigma": [0.2, 0.2],
        "sinc_prob": 0, "second_blur_prob": 0, "final_sinc_prob": 0, "gt_usm": False,
        "kernel_list": ["iso"], "kernel_prob": [1],
    }  # fmt: skip
    degrade = DEGRADATION_REGISTRY.build({"type": "RealESRGAN", **nothing}, scale=1)
    lq, gt = degrade(batch, seeded(), 96, views=2)
    # Places are drawn per sample: views cut elsewhere would be far off.
    assert (lq[:4] - lq[4:]).abs().max() < 0.05
    shifted = (lq[..., 1:] - gt[..., :-1]).abs().mean()
    assert (lq - gt).abs().mean() < 0.7 * shifted
