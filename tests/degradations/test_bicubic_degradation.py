"""Plain bicubic downscaling is Pillow's, up to Pillow's own rounding."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from adasr.errors import OptionError
from adasr.registry import DEGRADATION_REGISTRY


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_lq_is_pillows_bicubic(picture, scale):
    # Away from black and white, where Pillow also clips between its two passes.
    image = 64 + np.ascontiguousarray(picture[:144, :192]) // 2
    degradation = DEGRADATION_REGISTRY.build({"type": "Bicubic"}, scale=scale)
    gt = torch.from_numpy(image).permute(2, 0, 1)[None] / 255
    lq, cropped = degradation(gt, torch.Generator())
    size = (192 // scale, 144 // scale)
    expected = np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BICUBIC))
    ours = (lq[0] * 255).round().permute(1, 2, 0).numpy()
    # Pillow rounds to 8 bits between the passes.
    assert np.abs(ours - expected[2:-2, 2:-2]).max() <= 1
    margin = degradation.margin
    assert torch.equal(cropped, gt[..., margin:-margin, margin:-margin])


def test_a_crop_is_cut_out_of_a_frame_of_bytes(batch):
    degradation = DEGRADATION_REGISTRY.build({"type": "Bicubic"}, scale=4)
    assert degradation.frame_size(64) == 80
    frames = (batch[..., :80, :80] * 255).round().byte()
    lq, gt = degradation(frames, torch.Generator(), gt_size=64)
    assert torch.equal(gt, frames[..., 8:72, 8:72] / 255)
    assert torch.equal(lq, degradation(frames / 255, torch.Generator())[0])
    with pytest.raises(ValueError, match="margin of 8"):
        degradation(frames, torch.Generator(), gt_size=68)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_a_crop_is_degraded_as_a_part_of_the_whole_image(batch, scale):
    degradation = DEGRADATION_REGISTRY.build({"type": "Bicubic"}, scale=scale)
    whole, _ = degradation(batch[..., :120, :120], torch.Generator())
    part, _ = degradation(batch[..., 24:96, 36:108], torch.Generator())
    top, left, side = 24 // scale, 36 // scale, part.shape[-1]
    expected = whole[..., top : top + side, left : left + side]
    assert ((part - expected) * 255).abs().max() < 1.01  # a tie may be rounded either way
    assert ((part - expected) != 0).float().mean() < 1e-3


def test_no_random_number_is_drawn(batch):
    generator = torch.Generator().manual_seed(0)
    state = generator.get_state()
    DEGRADATION_REGISTRY.build({"type": "Bicubic"}, scale=4)(batch, generator)
    assert torch.equal(generator.get_state(), state)


def test_a_scale_below_one_is_refused():
    with pytest.raises(OptionError, match="at least 1"):
        DEGRADATION_REGISTRY.build({"type": "Bicubic"}, scale=0)


def test_nan_is_refused(batch):
    broken = batch[..., :80, :80].clone()
    broken[0, 0, 40, 40] = float("nan")
    with pytest.raises(ValueError, match="NaN"):
        DEGRADATION_REGISTRY.build({"type": "Bicubic"}, scale=4)(broken, torch.Generator())
