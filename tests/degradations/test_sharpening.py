"""Unsharp masking of a part, at a quarter of the resolution, stays close to the exact filter."""

from __future__ import annotations

import pytest
import torch

from adasr.degradations.blur import usm_sharp
from adasr.degradations.regions import Region, whole
from adasr.degradations.sharpening import before_sharpening, sharpen


@pytest.fixture(scope="module")
def photo(picture):
    return torch.from_numpy(picture).permute(2, 0, 1)[:, :151].float() / 255


def test_close_to_the_exact_filter(photo):
    """``usm_sharp`` itself is compared with BasicSR's in ``test_blur``."""
    size = photo.shape[1], photo.shape[2]
    exact = usm_sharp(photo[None])[0]
    ours = sharpen(photo, whole(size), whole(size), size)
    error = (ours - exact).abs() * 255
    assert error.mean() < 0.02
    assert error.max() < 0.6
    assert (exact - photo).abs().max() * 255 > 30
    assert ours.min() >= 0 and ours.max() <= 1


@pytest.mark.parametrize(
    ("rows", "columns"),
    [((0, 64), (3, 70)), ((37, 101), (100, 208)), ((60, 61), (81, 82)), ((149, 151), (0, 208))],
)
def test_a_part_equals_the_part_of_the_whole(photo, rows, columns):
    size, want = (photo.shape[1], photo.shape[2]), Region(rows, columns)
    expected = want.cut(sharpen(photo, whole(size), whole(size), size), whole(size))
    have = before_sharpening(want, size)
    ours = sharpen(have.cut(photo, whole(size)), have, want, size)
    torch.testing.assert_close(ours, expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (8, 8), (30, 61)])
def test_tiny_frames(size):
    image = torch.rand(3, *size, generator=torch.Generator().manual_seed(0))
    ours = sharpen(image, whole(size), whole(size), size)
    assert (ours - usm_sharp(image[None])[0]).abs().max() < 1e-3
