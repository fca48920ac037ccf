"""The fixed test recipes: equal to the released sets, the same everywhere, told by a manifest."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from adasr.degradations.testset import (
    GROUPS,
    MANIFEST,
    RECIPES,
    degrade,
    modcrop,
    verify_testset,
    write_testset,
)
from adasr.errors import DatasetError, ImageReadError, ImageWriteError, OptionError


def _read(path: Path) -> np.ndarray:
    try:
        return np.array(Image.open(path).convert("RGB"))
    except OSError as error:
        raise ImageReadError(path, "is not a readable image", "Remove it.") from error


def _write(path: Path, image: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path)


@pytest.mark.parametrize("image", ["butterfly", "woman"])
@pytest.mark.parametrize(
    ("recipe", "released"),
    [
        ("clean", "bicubic"),
        ("blur2", "blur2_bicubic"),
        ("jpeg50", "bicubic_jpeg50"),
        ("blur2_jpeg50", "blur2_bicubic_jpeg50"),
    ],
)
def test_recipes_equal_the_released_test_sets(shared, image, recipe, released):
    gt = _read(next((shared / "data/Set5").glob(f"*{image}*")))
    expected = _read(shared / f"golden/lr/{image}_{released}.png")
    assert np.array_equal(degrade(gt, recipe, 4, image), expected)


@pytest.mark.parametrize(
    ("recipe", "digest"), [("clean", "606b06f76f0b1814"), ("noise20", "ce0550638c79e5ad")]
)
def test_pixels_are_those_of_every_other_machine(recipe, digest):
    y, x = np.mgrid[:64, :96]
    image = np.stack([x * 2, y * 3, (x * y) % 256], -1).astype(np.uint8)
    lq = degrade(image, recipe, 4, "folder/name")
    assert hashlib.sha256(lq.tobytes()).hexdigest()[:16] == digest


def test_the_eight_recipes_of_the_papers_come_first():
    assert list(RECIPES)[:8] == list(GROUPS["standard"])
    assert GROUPS["standard"] == (
        "clean",
        "blur2",
        "noise20",
        "jpeg50",
        "blur2_noise20",
        "blur2_jpeg50",
        "noise20_jpeg50",
        "blur2_noise20_jpeg50",
    )
    for name in GROUPS["standard"]:
        recipe, parts = RECIPES[name], name.split("_")
        assert (recipe.blur is not None) == ("blur2" in parts)
        assert (recipe.noise is not None) == ("noise20" in parts)
        assert (recipe.codec is not None) == ("jpeg50" in parts)


def test_noise_has_sigma_20():
    gray = np.full((1024, 1024, 3), 128, np.uint8)
    noise = degrade(gray, "noise20", 4, "gray") - 128.0
    assert noise.std() == pytest.approx(20, rel=0.01)
    assert noise.mean() == pytest.approx(0, abs=0.25)
    assert np.abs(np.corrcoef(noise.reshape(-1, 3).T) - np.eye(3)).max() < 0.02


def test_noise_depends_on_the_name_and_the_recipe_only(picture):
    first = degrade(picture, "noise20", 4, "a/b")
    np.random.seed(1)
    assert np.array_equal(degrade(picture, "noise20", 4, "a/b"), first)
    assert not np.array_equal(degrade(picture, "noise20", 4, "a/c"), first)


@pytest.mark.parametrize("recipe", RECIPES)
def test_steps_act_in_the_papers_order(picture, recipe):
    """Each recipe with JPEG is the one without it, through Pillow's libjpeg."""
    lq = degrade(picture, recipe, 4, "x")
    assert lq.shape == (40, 52, 3)
    assert lq.dtype == np.uint8
    if recipe in ("jpeg50", "blur2_jpeg50"):
        before = recipe.removesuffix("jpeg50").rstrip("_") or "clean"
        file = io.BytesIO()
        Image.fromarray(degrade(picture, before, 4, "x")).save(file, "JPEG", quality=50)
        assert np.array_equal(lq, np.asarray(Image.open(file)))


@pytest.mark.parametrize("scale", [1, 2, 3, 4, 8])
def test_sizes_are_cut_to_a_multiple_of_the_scale(picture, scale):
    odd = picture[:101, :77]
    lq = degrade(odd, "clean", scale, "x")
    assert lq.shape == (101 // scale, 77 // scale, 3)
    assert np.array_equal(lq, degrade(modcrop(odd, scale), "clean", scale, "x"))


def test_wrong_wishes_are_refused(picture):
    with pytest.raises(OptionError, match=r"Did you mean 'noise20'\?"):
        degrade(picture, "noise_20", 4, "x")
    with pytest.raises(OptionError, match="larger than the image"):
        degrade(picture[:3], "clean", 4, "x")
    with pytest.raises(ValueError, match="uint8"):
        degrade(picture / 255, "clean", 4, "x")


@pytest.fixture
def folder(tmp_path, picture) -> Path:
    source = tmp_path / "hr"
    _write(source / "one.png", picture)
    _write(source / "sub/zwei ü.png", picture[:50, :61])
    _write(source / "tiny.png", picture[:2, :2])
    (source / "broken.png").write_bytes(b"no image")
    return source


def _write_set(folder: Path, target: Path, **options):
    files = sorted(folder.rglob("*.png"))
    names = [f.relative_to(folder).with_suffix("").as_posix() for f in files]
    options = {"recipe": "noise20", "scale": 4, "read": _read, "write": _write, **options}
    return write_testset(files, names, target, **options)


def test_a_written_set_equals_one_made_on_the_fly(folder, tmp_path):
    seen: list[Path] = []
    report = _write_set(folder, tmp_path / "lr", hr_target=tmp_path / "gt", on_done=seen.append)
    assert [p.relative_to(tmp_path).as_posix() for p in report.written] == [
        "lr/one.png",
        "lr/sub/zwei ü.png",
    ]
    second = _read(folder / "sub/zwei ü.png")
    expected = degrade(second, "noise20", 4, "sub/zwei ü")
    assert np.array_equal(_read(tmp_path / "lr/sub/zwei ü.png"), expected)
    assert np.array_equal(_read(tmp_path / "gt/sub/zwei ü.png"), second[:48, :60])
    assert len(seen) == 4


def test_bad_images_are_named_and_left_out(folder, tmp_path):
    report = _write_set(folder, tmp_path / "lr")
    problems = {path.name: text for path, text in report.failures.items()}
    assert set(problems) == {"tiny.png", "broken.png"}
    assert "not a readable image" in problems["broken.png"]
    assert "larger than the image of 2x2" in problems["tiny.png"]


def test_the_manifest_tells_recipe_versions_and_checksums(folder, tmp_path):
    report = _write_set(folder, tmp_path / "lr")
    assert report.manifest == tmp_path / "lr" / MANIFEST
    manifest = json.loads(report.manifest.read_text(encoding="utf-8"))
    assert (manifest["recipe"], manifest["scale"]) == ("noise20", 4)
    assert set(manifest["versions"]) == {"adasr", "numpy", "opencv", "pillow", "recipe"}
    pixels = _read(tmp_path / "lr/one.png")
    assert manifest["images"]["one.png"]["sha256"] == hashlib.sha256(pixels.tobytes()).hexdigest()
    assert str(tmp_path) not in report.manifest.read_text(encoding="utf-8")
    assert verify_testset(tmp_path / "lr", _read) == {}
    pixels[0, 0, 0] ^= 1
    _write(tmp_path / "lr/one.png", pixels)
    (tmp_path / "lr/sub/zwei ü.png").unlink()
    assert set(verify_testset(tmp_path / "lr", _read)) == {"one.png", "sub/zwei ü.png"}


@pytest.mark.parametrize("text", [None, "", "[]", '{"images": {"a.png": 1}}'])
def test_a_folder_without_a_manifest_is_told_from_a_good_one(tmp_path, text):
    if text is not None:
        (tmp_path / MANIFEST).write_text(text)
    with pytest.raises(DatasetError, match="no manifest"):
        verify_testset(tmp_path, _read)


def test_an_unwritable_target_ends_the_work(folder, tmp_path):
    def full(path: Path, image: np.ndarray) -> None:
        raise ImageWriteError(path, "No space left on device")

    with pytest.raises(ImageWriteError, match="No space left"):
        _write_set(folder, tmp_path / "lr", write=full)


def test_sixteen_bit_and_float_images_are_taken_as_eight_bit(tmp_path, picture):
    expected = degrade(picture, "clean", 4, "x")
    for wide in (picture.astype(np.uint16) * 257, picture.astype(np.float32) / 255):
        report = write_testset(
            [tmp_path / "x.png"],
            ["x"],
            tmp_path,
            recipe="clean",
            scale=4,
            read=lambda _, image=wide: image,
            write=_write,
        )
        assert np.array_equal(_read(report.written[0]), expected)
