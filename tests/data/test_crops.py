"""Crops are a frozen function of the seed, uniform, and cover all eight symmetries."""

from __future__ import annotations

import itertools

import cv2
import numpy as np
import pytest

from adasr.data.crops import Crop, draw_crop, pad_to
from adasr.pixels import modcrop


def test_crops_are_frozen():
    """Numbers of today: a change would change every training run."""
    assert draw_crop(0, 100, 200, 32) == Crop(55, 76, 32, False, False, True)
    assert draw_crop(2**64 - 1, 481, 321, 192) == Crop(266, 97, 192, True, True, False)


def test_positions_are_uniform_and_inside():
    crops = [draw_crop(seed, 10, 13, 8) for seed in range(3000)]
    assert {c.top for c in crops} == set(range(3)) and {c.left for c in crops} == set(range(6))
    for value, cells in (([c.top for c in crops], 3), ([c.left for c in crops], 6)):
        expected = len(crops) / cells
        chi2 = ((np.bincount(value) - expected) ** 2 / expected).sum()
        assert chi2 < 20  # 99.9 % quantile for 5 degrees of freedom: 20.5


def test_all_eight_symmetries_equally_often():
    image = np.arange(9).reshape(3, 3, 1)
    seen: dict[bytes, int] = {}
    for seed in range(1600):
        turned = np.ascontiguousarray(draw_crop(seed, 3, 3, 3).apply(image))
        seen[turned.tobytes()] = seen.get(turned.tobytes(), 0) + 1
    wanted = {
        np.ascontiguousarray(np.rot90(flipped, k)).tobytes()
        for flipped in (image, image[:, ::-1])
        for k in range(4)
    }
    assert set(seen) == wanted
    assert min(seen.values()) > 140 and max(seen.values()) < 260


@pytest.mark.parametrize("hflip", [False, True])
@pytest.mark.parametrize("rot", [False, True])
def test_switches_keep_the_position(hflip, rot):
    for seed in range(50):
        full, part = draw_crop(seed, 50, 60, 16), draw_crop(seed, 50, 60, 16, hflip, rot)
        assert (part.top, part.left) == (full.top, full.left)
        assert part.hflip == (full.hflip and hflip)
        assert (part.vflip, part.transpose) == (full.vflip and rot, full.transpose and rot)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_planes_are_the_crop_in_all_symmetries(dtype):
    image = (np.random.default_rng(0).random((9, 12, 3)) * 255).astype(dtype)
    for turns in itertools.product([False, True], repeat=3):
        crop = Crop(2, 3, 6, *turns)
        planes = crop.planes(image)
        assert planes.flags.c_contiguous and planes.dtype == dtype
        assert np.array_equal(planes, crop.apply(image).transpose(2, 0, 1))


@pytest.mark.parametrize("shape", [(1, 1, 3), (2, 3, 3), (1, 5, 1), (5, 7, 3)])
def test_padding_repeats_reflections(shape):
    image = np.random.default_rng(0).integers(0, 255, shape, np.uint8)
    want = np.pad(image, ((0, 40 - shape[0]), (0, 33 - shape[1]), (0, 0)), mode="reflect")
    assert np.array_equal(pad_to(image, 33), want[:33])


def test_padding_equals_real_esrgans():
    rng = np.random.default_rng(0)
    for height, width in ((1, 1), (5, 30), (30, 7), (13, 14)):
        image = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
        padded = pad_to(image, 20)
        below, right = max(0, 20 - height), max(0, 20 - width)
        expected = cv2.copyMakeBorder(image, 0, below, 0, right, cv2.BORDER_REFLECT_101)
        np.testing.assert_array_equal(padded, expected)
        np.testing.assert_array_equal(padded[:height, :width], image)
    assert pad_to(image, 13) is image
    assert pad_to(np.zeros((2, 2, 1), np.uint16), 4).shape == (4, 4, 1)


def test_modcrop():
    image = np.arange(7 * 9 * 3).reshape(7, 9, 3)
    np.testing.assert_array_equal(modcrop(image, 4), image[:4, :8])
    np.testing.assert_array_equal(modcrop(image, 1), image)
    assert modcrop(image, 8).shape == (0, 8, 3)
