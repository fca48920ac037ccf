"""Levels and back equal NumPy's."""

from __future__ import annotations

import numpy as np
import torch

from adasr.degradations.levels import add_noise, as_float, quantized, to_levels


def test_levels_are_the_nearest_and_saturate():
    values = np.linspace(-0.2, 1.2, 999, dtype=np.float32).reshape(3, -1)
    levels = np.empty(values.shape, np.uint8)
    to_levels(values, levels)
    expected = np.clip(np.rint(values * np.float32(255)), 0, 255)
    np.testing.assert_array_equal(levels, expected)
    result = quantized(torch.from_numpy(values)[:, None])
    np.testing.assert_array_equal(result[:, 0], expected.astype(np.float32) / np.float32(255))


def test_every_level_comes_back():
    levels = torch.arange(256, dtype=torch.uint8)
    for shape in ((1, 16, 16), (256,), (1, 1, 16, 16)):
        values = as_float(levels.view(shape))
        assert torch.equal(values, levels.view(shape).float() / 255)
    crop = torch.randint(0, 256, (3, 9, 9), dtype=torch.uint8)[:, 2:7, 3:8]
    assert torch.equal(as_float(crop), crop.float() / 255)


def test_noise_is_added_and_clamped():
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(3, 5, 7, generator=generator)
    for channels in (1, 3):
        noise = torch.randn(channels, 5, 7, generator=generator)
        expected = (image + 0.7 * noise).clamp(0, 1)
        torch.testing.assert_close(add_noise(image, noise, 0.7), expected)
