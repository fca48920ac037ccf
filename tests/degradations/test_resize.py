"""Resizing equals torch's, OpenCV's and Pillow's, on any part of an image."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from adasr.degradations.regions import Region, whole
from adasr.degradations.resize import (
    MODES,
    Axis,
    bicubic_downscale,
    resize,
)


def _random(*shape: int) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0))


def _resized(image: torch.Tensor, rows: Axis, columns: Axis) -> torch.Tensor:
    size, target = (rows.length, columns.length), (rows.target, columns.target)
    return resize(image, rows, columns, whole(size), whole(target))


@pytest.mark.parametrize(
    ("mode", "flag", "size"),
    [
        ("bilinear", cv2.INTER_LINEAR, (51, 33)),
        ("bicubic", cv2.INTER_CUBIC, (51, 33)),
        ("bicubic", cv2.INTER_CUBIC, (17, 23)),
        ("area", cv2.INTER_AREA, (20, 12)),
    ],
)
def test_modes_equal_opencv(mode, flag, size):
    image = _random(3, 40, 24)
    expected = cv2.resize(image.permute(1, 2, 0).numpy(), size[::-1], interpolation=flag)
    ours = _resized(image, Axis(40, size[0], mode), Axis(24, size[1], mode))
    np.testing.assert_allclose(ours.permute(1, 2, 0).numpy(), expected, atol=1e-5)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("factor", [0.15, 0.3333, 0.71, 1.0, 1.0007, 1.27, 1.5])
@pytest.mark.parametrize("length", [1, 7, 61, 400])
def test_any_part_equals_interpolate(mode, factor, length):
    """By a nominal factor and to a size; positions must agree to the last bit of float32."""
    target = int(length * factor)
    if target < 1:
        pytest.skip("nothing is left")
    line = _random(1, 1, length, 3)
    by_factor = F.interpolate(line, scale_factor=(factor, 1.0), mode=mode)[0]
    by_size = F.interpolate(line, size=(target, 3), mode=mode)[0]
    for nominal, expected in ((factor, by_factor), (None, by_size)):
        if nominal is not None and target == length:
            continue  # interpolate copies where no side changes
        axis = Axis(length, target, mode, nominal)
        for want in ((0, target), (target // 3, target // 2 + 1), (target - 1, target)):
            have = axis.before(want)
            assert 0 <= have[0] < have[1] <= length
            part = line[0, :, have[0] : have[1]].contiguous()
            same, all_of = Axis(3, 3, "area"), (0, 3)
            rows = resize(part, axis, same, Region(have, all_of), Region(want, all_of))
            turned = part.transpose(1, 2)
            columns = resize(turned, same, axis, Region(all_of, have), Region(all_of, want))
            columns = columns.transpose(1, 2)
            for ours in (rows, columns):
                torch.testing.assert_close(ours, expected[:, want[0] : want[1]], atol=1e-6, rtol=0)


@pytest.mark.parametrize("scale", [2, 3, 4, 8])
def test_bicubic_downscaling_equals_pillow(scale):
    plane = _random(1, 1, 48, 72)
    small = (72 // scale, 48 // scale)
    expected = Image.fromarray(plane[0, 0].numpy()).resize(small, Image.Resampling.BICUBIC)
    ours = bicubic_downscale(plane, scale)[0, 0].numpy()
    np.testing.assert_allclose(ours, np.asarray(expected), atol=1e-5)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("side", [29, 61, 143])
def test_an_image_resized_to_a_size_and_back_is_not_shifted(mode, side):
    """A ramp keeps its centre of gravity."""
    ramp = torch.linspace(0, 1, 96).expand(1, 96, 96)
    there = _resized(ramp, Axis(96, side, mode), Axis(96, side, mode))
    back = _resized(there, Axis(side, 96, mode), Axis(side, 96, mode))
    assert (back - ramp)[..., 12:-12].mean().abs() < 1e-4
