"""Resizing equals OpenCV's and Pillow's, and keeps images in register."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from adasr.degradations.resize import MODES, bicubic_downscale, resize


def _random(*shape: int) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0))


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
    image = _random(1, 3, 40, 24)
    expected = cv2.resize(image[0].permute(1, 2, 0).numpy(), size[::-1], interpolation=flag)
    ours = resize(image, size, mode)[0].permute(1, 2, 0).numpy()
    np.testing.assert_allclose(ours, expected, atol=1e-5)


@pytest.mark.parametrize("scale", [2, 3, 4, 8])
def test_bicubic_downscaling_equals_pillow(scale):
    plane = _random(1, 1, 48, 72)
    small = (72 // scale, 48 // scale)
    expected = Image.fromarray(plane[0, 0].numpy()).resize(small, Image.Resampling.BICUBIC)
    ours = bicubic_downscale(plane, scale)[0, 0].numpy()
    np.testing.assert_allclose(ours, np.asarray(expected), atol=1e-5)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("side", [29, 61, 143])
def test_an_image_resized_there_and_back_is_not_shifted(mode, side):
    """A ramp keeps its centre of gravity: no drift of the LQ against its GT."""
    ramp = torch.linspace(0, 1, 96).expand(1, 1, 96, 96)
    back = resize(resize(ramp, (side, side), mode), (96, 96), mode)
    assert (back - ramp)[..., 12:-12].mean().abs() < 1e-4
