"""Test sets of a benchmark: made once, right whatever happens to the cache, bad images named."""

from __future__ import annotations

import errno
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from filelock import FileLock

from adasr.data.images import read_rgb, to_tensor, write_image
from adasr.degradations.testset import degrade, verify_testset
from adasr.errors import DatasetError, ImageReadError, OptionError
from adasr.evaluation import testset_cache, testsets
from adasr.evaluation.testsets import default_cache, open_plain, open_testset

RECIPES = ["clean", "motion15", "saltpepper6"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    random = np.random.default_rng(0)
    for name, shape in (("a", (33, 42)), ("sub/b.v2", (24, 24)), ("c", (20, 64))):
        coarse = random.integers(0, 256, (8, 8, 3)).astype(np.uint8)
        image = np.kron(coarse, np.ones((9, 9, 1), np.uint8))[: shape[0], : shape[1]]
        write_image(tmp_path / "hr" / f"{name}.png", image)
    return tmp_path / "hr"


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """(recipe, name) of every LQ image that is computed."""
    calls: list[tuple[str, str]] = []

    def counted(image: np.ndarray, recipe: str, scale: int, name: str) -> np.ndarray:
        calls.append((recipe, name))
        return degrade(image, recipe, scale, name)

    monkeypatch.setattr(testsets, "degrade", counted)
    return calls


def _check(dataset: testsets.Testset) -> None:
    assert len(dataset) == len(dataset.keys) == len(dataset.checksums)
    for index, (name, recipe) in enumerate(dataset.keys):
        item = dataset[index]
        gt = read_rgb(dataset.root / f"{name}.png")
        gt = gt[: gt.shape[0] // 4 * 4, : gt.shape[1] // 4 * 4]
        lq = degrade(gt, recipe, 4, name)
        assert (item["name"], item["recipe"]) == (name, recipe)
        assert torch.equal(item["gt"], to_tensor(gt))
        assert torch.equal(item["lq"], to_tensor(lq))


@pytest.mark.parametrize("cached", [True, False])
def test_items_are_the_pairs_of_the_recipes(folder, tmp_path, cached):
    told: list[tuple[int, int]] = []
    cache = tmp_path / "cache" if cached else None
    dataset = open_testset(folder, RECIPES, 4, cache, lambda *done: told.append(done))
    assert dataset.names == ["a", "c", "sub/b.v2"]
    assert dataset.keys[:3] == [("a", recipe) for recipe in RECIPES]
    assert dataset.recipes == RECIPES
    assert told[-1] == (3, 3)
    _check(dataset)
    assert dataset.info.name == "hr"
    assert dataset.info.paired
    a = dataset.info.images["a"]
    assert (a["width"], a["height"], len(a["sha256"])) == (40, 32, 64)
    assert cached == (tmp_path / "cache").exists()


def test_the_second_time_nothing_is_made_or_decoded(folder, tmp_path, made, monkeypatch):
    first = open_testset(folder, RECIPES, 4, tmp_path)
    assert len(made) == 9
    made.clear()
    read: list[Path] = []
    monkeypatch.setattr(testsets, "read_rgb", lambda path: read.append(path) or read_rgb(path))
    second = open_testset(folder, [*reversed(RECIPES), "jpeg50"], 4, tmp_path)
    assert {recipe for recipe, _ in made} == {"jpeg50"}
    assert len(read) == 3  # for the new recipe
    read.clear()
    third = open_testset(folder, RECIPES, 4, tmp_path)
    assert not read
    assert first.checksums == third.checksums
    assert first.info == second.info == third.info
    _check(third)


def test_the_cache_is_a_set_as_degrade_writes_it(folder, tmp_path):
    dataset = open_testset(folder, RECIPES, 4, tmp_path / "cache")
    (place,) = (tmp_path / "cache").iterdir()
    assert place.name.startswith("hr-")
    for recipe in RECIPES:
        assert verify_testset(place / "x4" / recipe, read_rgb) == {}
        assert (place / "x4" / recipe / "sub/b.v2.png").is_file()
    assert not list(place.rglob("*.part"))
    _check(dataset)


@pytest.mark.parametrize("damage", ["cut", "empty", "gone", "other", "folder"])
def test_a_bad_file_is_made_again_with_one_line(folder, tmp_path, made, damage):
    open_testset(folder, RECIPES, 4, tmp_path / "cache")
    (path,) = (tmp_path / "cache").rglob("motion15/a.png")
    said: list[str] = []

    def harm() -> None:
        if damage == "cut":
            path.write_bytes(path.read_bytes()[:-20])
        elif damage == "empty":
            path.write_bytes(b"")
        elif damage == "other":
            write_image(path, np.zeros((8, 10, 3), np.uint8))
        else:
            path.unlink()
        if damage == "folder":
            path.mkdir()

    dataset = open_testset(folder, RECIPES, 4, tmp_path / "cache", tell=said.append)
    harm()
    made.clear()
    _check(dataset)
    assert made == [("motion15", "a")]
    assert len(said) == 1
    assert "motion15/a.png is made again" in said[0]
    if damage != "folder":
        _check(dataset)  # the file is good again
        assert len(said) == 1
        harm()
        _check(open_testset(folder, RECIPES, 4, tmp_path / "cache"))


@pytest.mark.parametrize("text", ["", "[]", '{"images": {"a.png": 1}}', '{"images": {}}'])
@pytest.mark.parametrize("name", [".manifest.json", "sources.json"])
def test_damaged_notes_are_written_anew(folder, tmp_path, name, text):
    open_testset(folder, RECIPES, 4, tmp_path / "cache")
    for path in (tmp_path / "cache").rglob(name):
        path.write_text(text)
    _check(open_testset(folder, RECIPES, 4, tmp_path / "cache"))
    _check(open_testset(folder, RECIPES, 4, tmp_path / "cache"))


def test_only_a_changed_image_is_made_again(folder, tmp_path, made):
    before = open_testset(folder, RECIPES, 4, tmp_path / "cache")
    made.clear()
    write_image(folder / "c.png", np.full((16, 16, 3), 77, np.uint8))
    os.utime(folder / "a.png")  # touched, but the same
    after = open_testset(folder, RECIPES, 4, tmp_path / "cache")
    assert sorted(made) == sorted((recipe, "c") for recipe in RECIPES)
    assert before.info.images["c"] != after.info.images["c"]
    _check(after)
    with pytest.raises(DatasetError, match=r"c\.png: has changed since the start"):
        before[before.keys.index(("c", "clean"))]


def test_other_versions_of_a_library_make_its_recipes_anew(folder, tmp_path, made, monkeypatch):
    open_testset(folder, ["clean", "webp50", "nearest"], 4, tmp_path)
    made.clear()
    version = "9.9"
    versions_of = testset_cache.versions_of

    def newer(recipe: str) -> dict[str, str]:
        return {k: version if "webp" in k else v for k, v in versions_of(recipe).items()}

    monkeypatch.setattr(testset_cache, "versions_of", newer)
    said: list[str] = []
    open_testset(folder, ["clean", "webp50", "nearest"], 4, tmp_path, tell=said.append)
    assert {recipe for recipe, _ in made} == {"webp50"}
    assert len(said) == 1
    assert "webp50 is made anew, since versions differ: libwebp (pillow) 9.9 here" in said[0]


def test_bad_images_are_named_and_the_others_served(folder, tmp_path):
    (folder / "broken.png").write_bytes(b"no image")
    write_image(folder / "tiny.png", np.zeros((3, 9, 3), np.uint8))
    write_image(folder / "one.png", np.zeros((1, 1, 3), np.uint8))
    dataset = open_testset(folder, RECIPES, 4, tmp_path / "cache")
    problems = {Path(path).name: problem for path, problem in dataset.problems}
    assert set(problems) == {"broken.png", "tiny.png", "one.png"}
    assert "image" in problems["broken.png"]
    assert problems["tiny.png"] == "is smaller than the scale 4"
    assert set(dataset.names) == {"a", "c", "sub/b.v2"}
    _check(dataset)
    assert len(open_testset(folder, RECIPES, 1, tmp_path / "cache").problems) == 1


def test_a_recipe_that_cannot_hold_an_image_is_left_out_for_it(folder, tmp_path):
    write_image(folder / "long.png", np.zeros((1, 16400, 3), np.uint8))
    dataset = open_testset(folder, ["clean", "webp50"], 1, tmp_path / "cache")
    assert ("long", "clean") in dataset.keys
    assert ("long", "webp50") not in dataset.keys
    ((path, problem),) = dataset.problems
    assert path.endswith("long.png")
    assert problem.startswith("webp50: WebP holds 16383 pixels")


def test_a_folder_without_a_usable_image_is_refused(tmp_path):
    with pytest.raises(DatasetError):
        open_testset(tmp_path / "none", RECIPES, 4)
    (tmp_path / "x.png").write_bytes(b"no image")
    with pytest.raises(DatasetError, match=r"holds no usable image; .*x\.png"):
        open_testset(tmp_path, RECIPES, 4)
    with pytest.raises(DatasetError, match="holds no usable image"):
        open_plain(tmp_path)


def test_wrong_wishes_are_refused(folder):
    with pytest.raises(OptionError, match="Did you mean 'motion15'"):
        open_testset(folder, ["motion_15"], 4)
    with pytest.raises(OptionError, match="at least 1"):
        open_testset(folder, ["clean"], 0)


def test_a_full_disk_costs_the_cache_and_nothing_else(folder, tmp_path, monkeypatch):
    written: list[Path] = []

    def full(path: Path, image: np.ndarray) -> None:
        written.append(path)
        if len(written) > 3:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(testset_cache, "_write_png", full)
    said: list[str] = []
    dataset = open_testset(folder, RECIPES, 4, tmp_path / "cache", tell=said.append)
    assert len(said) == 1
    assert "cannot be written (No space left on device)" in said[0]
    _check(dataset)


def test_a_place_that_is_no_folder_costs_the_cache_and_nothing_else(folder, tmp_path):
    (tmp_path / "cache").write_text("")
    said: list[str] = []
    _check(open_testset(folder, RECIPES, 4, tmp_path / "cache", tell=said.append))
    assert len(said) == 1


def test_an_interrupted_start_keeps_what_it_made(folder, tmp_path, made, monkeypatch):
    counted = testsets.degrade

    def interrupted(image: np.ndarray, recipe: str, scale: int, name: str) -> np.ndarray:
        if name == "sub/b.v2":
            raise KeyboardInterrupt
        return counted(image, recipe, scale, name)

    monkeypatch.setattr(testsets, "degrade", interrupted)
    with pytest.raises(KeyboardInterrupt):
        open_testset(folder, RECIPES, 4, tmp_path / "cache")
    monkeypatch.setattr(testsets, "degrade", counted)
    made.clear()
    _check(open_testset(folder, RECIPES, 4, tmp_path / "cache"))
    assert sorted(made) == sorted((recipe, "sub/b.v2") for recipe in RECIPES)


def test_two_at_once_make_it_once(folder, tmp_path, made):
    with ThreadPoolExecutor(2) as pool:
        opened = list(
            pool.map(lambda _: open_testset(folder, RECIPES, 4, tmp_path / "cache"), range(2))
        )
    assert len(made) == 9
    for dataset in opened:
        _check(dataset)


def test_waiting_for_another_process_is_told(folder, tmp_path):
    open_testset(folder, RECIPES, 4, tmp_path / "cache")
    (place,) = (tmp_path / "cache").glob("*/x4")
    said: list[str] = []
    with FileLock(place / ".lock"):
        waiting = threading.Thread(
            target=open_testset,
            args=(folder, RECIPES, 4, tmp_path / "cache"),
            kwargs={"tell": said.append},
        )
        waiting.start()
        waiting.join(0.5)
        assert waiting.is_alive()
    waiting.join(20)
    assert not waiting.is_alive()
    assert said == [f"test set: another process writes {place}; waiting for it"]


def test_threads_read_the_same_items(folder, tmp_path):
    dataset = open_testset(folder, RECIPES, 4, tmp_path / "cache")
    alone = [dataset[i] for i in range(len(dataset))]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(5):
            together = list(pool.map(dataset.__getitem__, range(len(dataset))))
            for one, other in zip(alone, together, strict=True):
                assert torch.equal(one["lq"], other["lq"])
                assert torch.equal(one["gt"], other["gt"])


def test_a_file_that_becomes_unreadable_fails_each_time_it_is_asked_for(folder, tmp_path):
    dataset = open_testset(folder, RECIPES, 4, tmp_path / "cache")
    (folder / "a.png").unlink()
    for index in (0, 1, 0):
        with pytest.raises(ImageReadError, match=r"a\.png"):
            dataset[index]
    assert dataset[3]["name"] == "c"


def test_an_item_may_be_changed(folder, tmp_path):
    """What is handed out is nobody else's."""
    dataset = open_testset(folder, RECIPES, 4, tmp_path / "cache")
    dataset[0]["gt"].zero_()
    _check(dataset)


def test_images_without_ground_truth(folder):
    (folder / "broken.png").write_bytes(b"no image")
    dataset = open_plain(folder)
    assert dataset.recipes == [""]
    assert dataset.keys == [("a", ""), ("c", ""), ("sub/b.v2", "")]
    item = dataset[0]
    assert "gt" not in item
    assert torch.equal(item["lq"], to_tensor(read_rgb(folder / "a.png")))
    assert not dataset.info.paired
    assert dataset.info.images["a"]["sha256"] == dataset.checksums["a", ""]
    assert [Path(path).name for path, _ in dataset.problems] == ["broken.png"]


def test_the_usual_place_follows_xdg(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_cache() == tmp_path / "adasr" / "testsets"
    for ignored in ("", "relative/path"):
        monkeypatch.setenv("XDG_CACHE_HOME", ignored)
        assert default_cache() == Path.home() / ".cache/adasr/testsets"
