"""LQ and GT stay aligned in crops and whole images; a pair that does not fit is named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from adasr.data.paired_folder import PairedFolder
from adasr.errors import DatasetError, OptionError


@pytest.fixture
def pairs(tmp_path: Path, save_png) -> tuple[str, str]:
    """Four pairs; every GT pixel equals the LQ pixel that covers it (nearest, x4)."""
    for number in range(4):
        rng = np.random.default_rng(number)
        lq = rng.integers(0, 256, (10 + number, 14, 3), dtype=np.uint8)
        gt = lq.repeat(4, axis=0).repeat(4, axis=1)
        save_png(tmp_path / "gt" / "sub" / f"im.{number}.png", gt)
        save_png(tmp_path / "lq" / "sub" / f"im.{number}x4.png", lq)
    return str(tmp_path / "gt"), str(tmp_path / "lq")


def test_crops_are_aligned_under_every_symmetry(pairs):
    dataset = PairedFolder(*pairs, scale=4, filename_tmpl="{}x4", gt_size=32)
    seen = set()
    for seed in range(40):
        item = dataset[(seed % 4, seed)]
        assert item["gt"].shape == (3, 32, 32) and item["lq"].shape == (3, 8, 8)
        assert torch.equal(item["gt"][:, ::4, ::4], item["lq"])
        assert torch.equal(item["gt"][:, 3::4, 3::4], item["lq"])
        seen.add(item["lq"].numpy().tobytes())
    assert len(seen) > 35


def test_whole_pairs(pairs):
    dataset = PairedFolder(*pairs, scale=4, filename_tmpl="{}x4")
    assert len(dataset) == 4
    item = dataset[2]
    assert item["name"] == "sub/im.2" and item["recipe"] == "" and item["path"].endswith("im.2.png")
    assert item["gt"].shape == (3, 48, 56) and item["lq"].shape == (3, 12, 14)
    assert dataset[(2, 9)]["skipped"] == []
    training = PairedFolder(*pairs, scale=4, filename_tmpl="{}x4", gt_size=32)
    assert torch.equal(training[2]["gt"], item["gt"])
    with pytest.raises(IndexError):
        dataset[4]


def test_gt_is_cut_to_a_multiple_of_the_scale(tmp_path, save_png, numbered):
    save_png(tmp_path / "gt" / "a.png", numbered(1, 43, 41))
    save_png(tmp_path / "lq" / "a.png", numbered(1, 10, 10))
    item = PairedFolder(str(tmp_path / "gt"), str(tmp_path / "lq"), scale=4)[0]
    assert item["gt"].shape == (3, 40, 40)
    np.testing.assert_array_equal(
        item["gt"].numpy() * 255, numbered(1, 43, 41)[:40, :40].transpose(2, 0, 1)
    )


def test_suffixes_may_differ_but_not_be_ambiguous(tmp_path, save_png, numbered):
    gt, lq = tmp_path / "gt", tmp_path / "lq"
    save_png(gt / "a.png", numbered(1, 40, 40))
    save_png(lq / "a.jpg", numbered(1, 10, 10))
    assert PairedFolder(str(gt), str(lq), scale=4).files_lq == [lq / "a.jpg"]
    save_png(lq / "a.bmp", numbered(1, 10, 10))
    with pytest.raises(DatasetError, match=r"several LQ images \(a\.bmp, a\.jpg\)"):
        PairedFolder(str(gt), str(lq), scale=4)
    save_png(lq / "a.png", numbered(1, 10, 10))
    assert PairedFolder(str(gt), str(lq), scale=4).files_lq == [lq / "a.png"]


def test_missing_partner_is_named(pairs):
    with pytest.raises(DatasetError, match=r"im\.0\.png: has no LQ .*'sub/im\.0' with any"):
        PairedFolder(*pairs, scale=4)


def test_wrong_scale_is_told_at_once(pairs):
    with pytest.raises(DatasetError, match=r"im\.0\.png: \(56x40\) is not 2 times .*\(14x10\)"):
        PairedFolder(*pairs, scale=2, filename_tmpl="{}x4")


def test_one_misfit_and_one_broken_file(pairs, save_png, numbered):
    gt, lq = Path(pairs[0]) / "sub", Path(pairs[1]) / "sub"
    save_png(lq / "im.1x4.png", numbered(1, 9, 14))
    (lq / "im.2x4.png").write_bytes(b"")
    whole = PairedFolder(*pairs, scale=4, filename_tmpl="{}x4")
    with pytest.raises(DatasetError, match=r"im\.1\.png"):
        whole[1]
    training = PairedFolder(*pairs, scale=4, filename_tmpl="{}x4", gt_size=32)
    item = training[(1, 3)]
    assert [p for p, _ in item["skipped"]] == [str(gt / "im.1.png"), str(lq / "im.2x4.png")]
    assert item["path"] == str(gt / "im.3.png")
    assert [p for p, _ in training.problems()] == [str(lq / "im.2x4.png"), str(gt / "im.1.png")]


def test_too_small_for_the_crop(pairs):
    with pytest.raises(DatasetError, match="smaller than gt_size 200"):
        PairedFolder(*pairs, scale=4, filename_tmpl="{}x4", gt_size=200)[(0, 0)]


def test_values_out_of_range(pairs):
    for template in ("lq", "{}{", "{x}"):
        with pytest.raises(OptionError, match="filename_tmpl"):
            PairedFolder(*pairs, scale=4, filename_tmpl=template)
    with pytest.raises(OptionError, match=r"gt_size.*Use 32\."):
        PairedFolder(*pairs, scale=4, filename_tmpl="{}x4", gt_size=30)


def test_equals_basicsrs_paired_dataset(pairs):
    """BasicSR pairs the same files and gives the same whole images."""
    from adasr.compat import import_basicsr

    try:
        import_basicsr()
    except ImportError:
        pytest.skip("BasicSR is not installed")
    from basicsr.data.paired_image_dataset import PairedImageDataset

    gt, lq = (str(Path(p) / "sub") for p in pairs)
    options = {
        "dataroot_gt": gt,
        "dataroot_lq": lq,
        "filename_tmpl": "{}x4",
        "io_backend": {"type": "disk"},
        "scale": 4,
        "phase": "val",
    }
    theirs = PairedImageDataset(options)
    ours = PairedFolder(gt, lq, scale=4, filename_tmpl="{}x4")
    by_path = {item["gt_path"]: item for item in (theirs[i] for i in range(len(theirs)))}
    assert len(by_path) == len(ours)
    for item in (ours[i] for i in range(len(ours))):
        assert torch.equal(by_path[item["path"]]["gt"], item["gt"])
        assert torch.equal(by_path[item["path"]]["lq"], item["lq"])
