"""Names of results: all different, none an input, the same for all who share a folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adasr.errors import OptionError
from adasr.inference.folder.plan import make_plan
from adasr.inference.folder.shard import Shard, own_device, read_shard


def touch(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def outputs(source: Path, target: Path, **options: str) -> dict[str, str]:
    plan = make_plan(source, target, **options)
    return {
        job.source.relative_to(source).as_posix(): job.output.relative_to(target).as_posix()
        for job in plan.jobs
    }


def test_names_that_collide_after_a_change_of_format(tmp_path: Path) -> None:
    touch(tmp_path / "in", "a.png", "a.jpg", "a.webp", "a_jpg.gif", "s/a.bmp")
    assert outputs(tmp_path / "in", tmp_path / "out", ext=".jpg") == {
        "a.png": "a_png.jpg",
        "a.jpg": "a.jpg",
        "a.webp": "a_webp.jpg",
        "a_jpg.gif": "a_jpg.jpg",
        "s/a.bmp": "s/a.jpg",
    }


def test_no_input_is_overwritten_from_a_folder_above(tmp_path: Path) -> None:
    touch(tmp_path / "sub", "a.png", "sub/a.png", "sub/b.png")
    named = outputs(tmp_path / "sub", tmp_path)
    assert named == {"a.png": "a.png", "sub/a.png": "sub/a_png.png", "sub/b.png": "sub/b.png"}


def test_both_spellings_of_a_letter_are_one_name(tmp_path: Path) -> None:
    touch(tmp_path / "in", "u\u0308.png", "\u00fc.jpg")
    assert len({n.lower() for n in outputs(tmp_path / "in", tmp_path / "out").values()}) == 2
    assert "\u00fc_jpg.png" in outputs(tmp_path / "in", tmp_path / "out").values()


def test_a_map_and_an_image_of_its_name_do_not_meet(tmp_path: Path) -> None:
    touch(tmp_path / "in", "a.png", "a_uncertainty.png")
    jobs = make_plan(tmp_path / "in", tmp_path / "out").jobs
    assert len({p for job in jobs for p in (job.output, job.map)}) == 4


@pytest.mark.parametrize("letter", ["a", "ü", "😀"])
def test_names_stay_within_what_file_systems_take(tmp_path: Path, letter: str) -> None:
    stem = letter * (251 // len(os.fsencode(letter)))
    touch(tmp_path / "in", f"{stem}.jpg", f"{stem}.png", f"{stem[:-1]}b.png")
    jobs = make_plan(tmp_path / "in", tmp_path / "out", suffix="_x4", ext=".tiff").jobs
    places = [p for job in jobs for p in (*job.places(), job.map)]
    assert all(len(os.fsencode(p.name)) <= 255 for p in places)
    assert len({job.output for job in jobs}) == 3
    touch(tmp_path / "out", *(p.name for p in places))


def test_a_loop_of_links_is_gone_through_once(tmp_path: Path) -> None:
    touch(tmp_path / "in", "a.png", "s/b.png")
    (tmp_path / "in/s/up").symlink_to(tmp_path / "in")
    (tmp_path / "in/self.png").symlink_to(tmp_path / "in/self.png")
    assert outputs(tmp_path / "in", tmp_path / "out") == {"a.png": "a.png", "s/b.png": "s/b.png"}


def test_results_that_are_there_do_not_change_the_plan(tmp_path: Path) -> None:
    # Processes that share a folder begin at different times, and must mean the same by "part 2".
    touch(tmp_path, "a.webp", "a.png", "b.tif", "sub/c.png")
    options = {"suffix": "_x2", "ext": ".jpg"}
    before = make_plan(tmp_path, tmp_path, **options).jobs
    for job in before:
        for place in (*job.places(), job.map):
            place.touch()
    assert make_plan(tmp_path, tmp_path, **options).jobs == before


NAMES = ["a.png", "a.jpg", "A.PNG", "a_jpg.png", "b.gif", "b.tif", "b.png"]


@given(st.lists(st.sampled_from(NAMES), min_size=1), st.integers(1, 9))
def test_parts_are_the_whole(tmp_path_factory: pytest.TempPathFactory, names: list, count) -> None:
    folder = tmp_path_factory.mktemp("in")
    touch(folder, *names)
    plan = make_plan(folder, folder / "out")
    parts = [plan.part(Shard(i + 1, count)).jobs for i in range(count)]
    together = [job for part in parts for job in part]
    assert sorted(j.source for j in together) == sorted(j.source for j in plan.jobs)
    assert len({j.output.as_posix().lower() for j in together}) == len(together)
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_the_part_of_a_process() -> None:
    assert read_shard(None, {}) == Shard(1, 1)
    assert read_shard("2/4", {}) == Shard(2, 4)
    assert read_shard(None, {"RANK": "3", "WORLD_SIZE": "8"}) == Shard(4, 8)
    # Two machines of an array with two processes each: four parts, all different.
    parts = [
        read_shard(f"{m}/2", {"RANK": str(r), "WORLD_SIZE": "2"}) for m in (1, 2) for r in (0, 1)
    ]
    assert parts == [Shard(i, 4) for i in (1, 2, 3, 4)]
    for wrong in ("0/4", "5/4", "x", "1", "1/0", "-1/4"):
        with pytest.raises(OptionError, match="1/4"):
            read_shard(wrong, {})


def test_without_gpus_processes_compute_on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert own_device("auto", {"LOCAL_RANK": "1"}) == "auto"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    assert own_device("auto", {"LOCAL_RANK": "1"}) == "cuda:1"
    assert own_device("cuda", {"LOCAL_RANK": "6"}) == "cuda:2"
    assert own_device("cpu", {"LOCAL_RANK": "1"}) == "cpu"
    assert own_device("auto", {}) == "auto"
