"""A test set is images times recipes, whole, cut to the scale, named for its results."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from adasr.data.degraded_folder import DegradedFolder
from adasr.errors import DatasetError, OptionError


def degrade(image: np.ndarray, recipe: str, scale: int, name: str) -> np.ndarray:
    """Every ``scale``-th pixel; ``dark`` halves them."""
    assert image.dtype == np.uint8 and image.flags.c_contiguous
    assert image.shape[0] % scale == 0 == image.shape[1] % scale
    if recipe not in ("clean", "dark"):
        raise OptionError(f"unknown recipe '{recipe}'.", hint="Did you mean 'clean'?")
    small = image[::scale, ::scale]
    return small // 2 if recipe == "dark" else small


def test_items(folder, save_png, numbered):
    save_png(folder / "sub" / "odd.png", numbered(7, 43, 46))
    dataset = DegradedFolder(str(folder), ["clean", "dark"], scale=4, degrade=degrade)
    assert len(dataset) == 14
    items = [dataset[i] for i in range(14)]
    names = [f"img{i}" for i in range(6)] + ["sub/odd"]
    assert [(i["recipe"], i["name"]) for i in items] == [
        (recipe, name) for recipe in ("clean", "dark") for name in names
    ]
    assert items[6]["gt"].shape == (3, 40, 44) and items[6]["lq"].shape == (3, 10, 11)
    assert items[6]["lq"].dtype == torch.float32
    assert torch.equal(items[6]["lq"], items[6]["gt"][:, ::4, ::4])
    assert items[13]["lq"].max() <= 0.5 and torch.equal(items[13]["gt"], items[6]["gt"])
    with pytest.raises(IndexError):
        dataset[14]
    assert dataset.problems() == []


def test_limits_and_single_recipe(folder):
    dataset = DegradedFolder(str(folder), "dark", scale=2, degrade=degrade, max_images=2)
    assert [dataset[i]["name"] for i in range(len(dataset))] == ["img0", "img1"]
    assert len(DegradedFolder(str(folder), ["dark", "dark"], 2, degrade, max_images=99)) == 6


def test_deep_images_are_rounded_to_eight_bits(tmp_path, photo):
    deep = photo[..., 0].astype(np.int64) * 257 + 128
    Image.fromarray(deep.clip(0, 65535).astype(np.uint16)).save(tmp_path / "deep.png")
    item = DegradedFolder(str(tmp_path), "clean", 1, degrade)[0]
    np.testing.assert_array_equal((item["gt"][0] * 255).round().numpy(), photo[..., 0])


def test_bad_input(folder, tmp_path, save_png, numbered):
    with pytest.raises(OptionError, match=r"recipe: unknown recipe 'blur'.*Did you mean"):
        DegradedFolder(str(folder), ["clean", "blur"], 4, degrade)
    with pytest.raises(OptionError, match="names no recipe"):
        DegradedFolder(str(folder), [], 4, degrade)
    with pytest.raises(OptionError, match="max_images"):
        DegradedFolder(str(folder), "clean", 4, degrade, max_images=0)
    with pytest.raises(DatasetError, match="does not exist"):
        DegradedFolder(str(tmp_path / "none"), "clean", 4, degrade)
    save_png(tmp_path / "tiny" / "a.png", numbered(0, 3, 30))
    with pytest.raises(DatasetError, match=r"a\.png: is smaller than the scale 4"):
        DegradedFolder(str(tmp_path / "tiny"), "clean", 4, degrade)[0]
