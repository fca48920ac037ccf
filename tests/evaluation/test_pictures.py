"""Pictures of results show the pixels that they say they show."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from adasr.data.images import to_image
from adasr.evaluation import Bicubic, ImageResult, evaluate
from adasr.evaluation.pictures import CropSheet, comparison, side_by_side, spread


def result(index: int = 0, total: int = 1, size: int = 64, **changes: object) -> ImageResult:
    gt = torch.rand(3, size, size)
    lq, sr = torch.rand(3, size // 4, size // 4), torch.rand(3, size, size)
    values = {"psnr": 31.234, "ssim": 0.9}
    held = {"lq": lq, "gt": gt, "sr": sr, "values": values, "recipe": "blur2", **changes}
    return ImageResult(index, total, f"img{index}", **held)  # type: ignore[arg-type]


def test_panels_are_enlarged_lq_bicubic_sr_and_gt() -> None:
    done = result(lq=0.3 + 0.4 * torch.rand(3, 16, 16))  # Pillow clips between its two passes
    panels = comparison(done.lq, done.sr, done.gt)
    assert list(panels) == ["LQ", "bicubic", "SR", "GT"]
    small = Image.fromarray(to_image(done.lq))
    assert np.array_equal(panels["LQ"], small.resize((64, 64), Image.Resampling.NEAREST))
    pillow = np.asarray(small.resize((64, 64), Image.Resampling.BICUBIC), int)
    assert np.abs(panels["bicubic"] - pillow).max() <= 2  # and rounds there
    assert np.array_equal(panels["SR"], to_image(done.sr))
    assert np.array_equal(panels["GT"], to_image(done.gt))
    assert list(comparison(done.gt, done.sr, done.gt)) == ["LQ", "SR", "GT"]


def test_side_by_side_keeps_every_pixel() -> None:
    panels = {name: np.full((10, 80, 3), i * 100, np.uint8) for i, name in enumerate("ab")}
    for title, top in (("", 24), ("a title far too long for two panels " * 3, 48)):
        sheet = side_by_side(panels, title)
        assert sheet.shape == (top + 10, 168, 3)
        assert np.array_equal(sheet[top:, :80], panels["a"])
        assert np.array_equal(sheet[top:, 88:], panels["b"])
        assert (sheet[: top - 24] < 128).any() == bool(title)


def test_crops_are_of_the_same_place_and_where_detail_is() -> None:
    gt = torch.zeros(3, 256, 256)
    gt[:, 192:, 128:192] = torch.rand(3, 64, 64)
    lq = gt[:, ::4, ::4]
    sheet = CropSheet(1, side=64)
    sheet(result(gt=gt, lq=lq, sr=gt))
    picture = to_image(sheet.picture())
    panels = [picture[48:112, left : left + 64] for left in (0, 72, 144, 216)]
    expected = to_image(gt[:, 192:, 128:192])
    assert np.array_equal(panels[3], expected)
    assert np.array_equal(panels[2], expected)
    assert np.array_equal(panels[0][::4, ::4], expected[::4, ::4])


def test_the_chosen_images_are_spread_over_a_dataset() -> None:
    assert spread(4, 40) == [0, 13, 26, 39]
    assert spread(4, 2) == [0, 1]
    assert spread(1, 40) == [0]
    assert spread(0, 40) == []
    sheet = CropSheet(2)
    for index in range(5):
        sheet(result(index, 5))
    assert sheet.picture().shape == (3, 2 * (48 + 64 + 8), 4 * 64 + 3 * 8)


def test_images_of_other_sizes_and_failures_fit_on_a_sheet() -> None:
    sheet = CropSheet(3, side=64)
    assert sheet.picture() is None
    sheet(result(0, 3, size=32))
    sheet(result(1, 3, sr=None, problem="out of memory"))
    sheet(result(2, 3, size=96, sr=torch.full((3, 96, 96), torch.nan)))
    picture = sheet.picture()
    assert picture.shape == (3, 48 + 32 + 8 + 48 + 64 + 8, 4 * 64 + 3 * 8)
    assert picture.isfinite().all()


@pytest.mark.parametrize("count", [0, 2])
def test_a_sheet_is_made_while_evaluating(count: int) -> None:
    pairs = [
        {"lq": torch.rand(3, 16, 20), "gt": torch.rand(3, 32, 40), "name": str(i), "recipe": ""}
        for i in range(3)
    ]
    sheet = CropSheet(count)
    state = torch.get_rng_state()
    evaluate(Bicubic(2), pairs, {}, on_image=sheet)
    assert torch.equal(torch.get_rng_state(), state)
    assert (sheet.picture() is None) == (count == 0)
