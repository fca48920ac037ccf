"""Crops: one place under every degradation, cut from what a test set would hold."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from adasr.analysis.crops import cut_crops
from adasr.data.images import read_rgb, to_tensor, write_image
from adasr.degradations.testset import degrade
from adasr.errors import DatasetError


def test_crops_are_those_of_the_degraded_image(images: Path) -> None:
    recipes = ["clean", "noise20"]
    crops, problems = cut_crops([images], recipes, 2, degrade, count=7, side=12)
    assert problems == {}
    assert crops.gt.shape == (7, 3, 24, 24)
    assert crops.lq["noise20"].shape == (7, 3, 12, 12)
    for i, told in enumerate(crops.names):
        name, _, place = told.rpartition("@")
        left, top = map(int, place.split(","))
        gt = read_rgb(images / f"{name}.png")
        assert torch.equal(crops.gt[i], to_tensor(gt[top : top + 24, left : left + 24]))
        for recipe in recipes:
            lq = degrade(gt, recipe, 2, name)[top // 2 :, left // 2 :][:12, :12]
            assert torch.equal(crops.lq[recipe][i], to_tensor(lq))


def test_the_seed_decides_the_places(images: Path) -> None:
    one, same, other = (
        cut_crops([images], ["clean"], 2, degrade, 9, 8, seed)[0].names for seed in (1, 1, 2)
    )
    assert one == same != other
    assert len({name.partition("@")[0] for name in one}) == 5  # spread over all images


def test_images_of_any_size_do_and_bad_ones_are_named(images: Path, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for name, size in {"wide": (40, 3000), "odd": (51, 47), "tiny": (9, 200)}.items():
        write_image(tmp_path / f"{name}.png", random.integers(0, 256, (*size, 3), np.uint8))
    (tmp_path / "broken.png").write_bytes(b"no image")
    cut = (tmp_path / "odd.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(cut[: len(cut) // 2])
    crops, problems = cut_crops([tmp_path], ["blur2"], 2, degrade, count=4, side=16)
    assert {Path(path).stem for path in problems} == {"tiny", "broken", "cut"}
    assert "smaller than a crop" in problems[str(tmp_path / "tiny.png")]
    assert {name.partition("@")[0] for name in crops.names} == {"wide", "odd"}
    small = torch.nn.functional.avg_pool2d(crops.gt, 2)
    assert (small - crops.lq["blur2"]).abs().mean() < 0.15  # of the same place


def test_no_usable_image_is_told(tmp_path: Path) -> None:
    write_image(tmp_path / "tiny.png", np.zeros((8, 8, 3), np.uint8))
    with pytest.raises(DatasetError, match="smaller than a crop"):
        cut_crops([tmp_path], ["clean"], 2, degrade, side=16)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetError, match="no image"):
        cut_crops([tmp_path / "empty"], ["clean"], 2, degrade)
