"""Training crops are reproducible, cover every image, and survive bad files."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from adasr.data.image_folder import ImageFolder
from adasr.errors import DatasetError, OptionError
from adasr.registry import DATASET_REGISTRY


def which(gt: torch.Tensor) -> int:
    """The number of the image that a crop comes from, see ``numbered``."""
    return round(float(gt[0, 0, 0]) / 10)


def test_crop_is_a_pure_function_of_file_and_seed(folder):
    one = ImageFolder(str(folder), gt_size=16, scale=4, frame=24)
    item = one[(2, 7)]
    assert item["gt"].shape == (3, 24, 24) and item["gt"].dtype == torch.uint8
    assert item["skipped"] == [] and item["path"] == str(folder / "img2.png")
    torch.manual_seed(1)
    again = ImageFolder(str(folder), gt_size=16, scale=4, frame=24)[(2, 7)]
    assert torch.equal(item["gt"], again["gt"])
    assert not torch.equal(item["gt"], one[(2, 8)]["gt"])


def test_crop_is_part_of_the_image(folder, numbered):
    dataset = ImageFolder(str(folder), 16, 4, use_hflip=False, use_rot=False)
    image = torch.from_numpy(numbered(3).transpose(2, 0, 1))
    windows = image.unfold(1, 16, 1).unfold(2, 16, 1)
    for seed in range(5):
        crop = dataset[(3, seed)]["gt"][:, None, None]
        assert (windows == crop).all(dim=(0, 3, 4)).sum() == 1


def test_whole_image(folder, numbered):
    item = ImageFolder(str(folder), 16, 4)[-1]
    np.testing.assert_array_equal(item["gt"].numpy() * 255, numbered(5).transpose(2, 0, 1))
    with pytest.raises(IndexError):
        ImageFolder(str(folder), 16, 4)[6]


def test_several_folders_meta_info_and_enlarging(folder, tmp_path, save_png, numbered):
    save_png(tmp_path / "two" / "sub" / "z.png", numbered(9))
    both = ImageFolder([str(folder), str(tmp_path / "two")], 16, 4)
    assert len(both) == 7 and which(both[(6, 0)]["gt"]) == 9
    with pytest.raises(DatasetError, match="sub-folders"):
        ImageFolder([str(folder), str(tmp_path / "two")], 16, 4, recursive=False)
    (tmp_path / "meta.txt").write_text("img4.png (40,48,3)\nimg1.png (40,48,3)\n")
    some = ImageFolder(str(folder), 16, 4, meta_info=str(tmp_path / "meta.txt"))
    assert [which(some[(i, 0)]["gt"]) for i in range(2)] == [4, 1]
    many = ImageFolder(str(folder), 16, 4, dataset_enlarge_ratio=5)
    assert len(many) == 30 and which(many[(8, 0)]["gt"]) == 2


def test_any_kind_of_image(tmp_path, photo):
    Image.fromarray(photo[..., 0]).save(tmp_path / "gray.png")
    Image.fromarray(photo[..., :2], "LA").save(tmp_path / "la.png")
    Image.fromarray(photo[..., 0].astype(np.uint16) * 257).save(tmp_path / "deep.png")
    Image.fromarray(photo).convert("CMYK").save(tmp_path / "cmyk.jpg")
    Image.fromarray(photo).quantize(8).save(tmp_path / "ünï 日.png")
    dataset = ImageFolder(str(tmp_path), 16, 4)
    for index in range(5):
        item = dataset[(index, 0)]
        assert item["gt"].shape == (3, 16, 16) and item["skipped"] == []
    deep = next(i for i, f in enumerate(dataset.files) if f.name == "deep.png")
    assert torch.allclose(dataset[deep]["gt"][0], torch.from_numpy(photo[..., 0] / 255).float())


def test_images_smaller_than_the_crop(tmp_path, save_png, numbered):
    save_png(tmp_path / "pixel.png", numbered(3, 1, 1))
    save_png(tmp_path / "strip.png", numbered(4, 5, 100))
    dataset = ImageFolder(str(tmp_path), 32, 4, frame=48, use_hflip=False, use_rot=False)
    assert (dataset[(0, 0)]["gt"] / 255 == dataset[0]["gt"]).all()
    strip = dataset[(1, 0)]["gt"]
    assert strip.shape == (3, 48, 48) and torch.equal(strip[:, 3], strip[:, 5])


def test_unreadable_files_are_replaced_and_named(folder):
    (folder / "img1.png").write_bytes(b"")
    data = (folder / "img2.png").read_bytes()
    (folder / "img2.png").write_bytes(data[: len(data) // 2])
    dataset = ImageFolder(str(folder), 16, 4)
    item = dataset[(1, 5)]
    assert [path for path, _ in item["skipped"]] == [
        str(folder / "img1.png"),
        str(folder / "img2.png"),
    ]
    assert "empty" in item["skipped"][0][1] and "cut off" in item["skipped"][1][1]
    assert item["path"] == str(folder / "img3.png")
    assert torch.equal(item["gt"], dataset[(3, 5)]["gt"])
    calls: list[tuple[int, int]] = []
    problems = dataset.problems(lambda done, total: calls.append((done, total)))
    assert problems == item["skipped"] and calls == [(i, 6) for i in range(1, 7)]


def test_nothing_readable_ends_the_run(tmp_path):
    for name in "abc":
        (tmp_path / f"{name}.png").write_text("text")
    with pytest.raises(DatasetError, match=r"no usable image; .*b\.png is not a readable image"):
        ImageFolder(str(tmp_path), 16, 4)[(1, 0)]


def test_a_file_deleted_during_training_is_skipped(folder):
    dataset = ImageFolder(str(folder), 16, 4)
    (folder / "img0.png").unlink()
    assert dataset[(0, 0)]["skipped"] == [(str(folder / "img0.png"), "does not exist")]


@pytest.mark.parametrize(
    ("options", "key"),
    [
        ({"gt_size": 18}, "gt_size"),
        ({"gt_size": 0}, "gt_size"),
        ({"gt_size": -4}, "gt_size"),
        ({"dataset_enlarge_ratio": 0}, "dataset_enlarge_ratio"),
        ({"frame": -4}, "frame"),
        ({"dataroot_gt": []}, "dataroot_gt"),
    ],
)
def test_values_out_of_range(folder, options, key):
    with pytest.raises(OptionError) as caught:
        ImageFolder(**{"dataroot_gt": str(folder), "gt_size": 16, "scale": 4, **options})
    assert caught.value.key == (key,)


def test_built_by_name(folder):
    options = {"type": "ImageFolder", "dataroot_gt": str(folder), "gt_size": 16}
    assert len(DATASET_REGISTRY.build(options, scale=4, frame=32)) == 6
    with pytest.raises(OptionError, match="Did you mean 'gt_size'"):
        DATASET_REGISTRY.build({**options, "gt_sise": 3}, scale=4)
    for name in ("ImageFolder", "PairedFolder", "DegradedFolder"):
        for option in DATASET_REGISTRY.options(name).values():
            assert option.doc or option.name in ("frame", "degrade"), option
