from __future__ import annotations

import os
from pathlib import Path

import pytest

from adasr.files import atomic_path, discard_unfinished, remove_leftovers, write_text


def test_a_file_is_whole_or_not_there(tmp_path: Path) -> None:
    target = tmp_path / "new" / "a.txt"
    write_text(target, "old")
    with pytest.raises(RuntimeError), atomic_path(target) as temporary:
        temporary.write_text("half")
        assert temporary.suffix == ".txt"
        raise RuntimeError
    assert target.read_text() == "old"
    assert [p.name for p in target.parent.iterdir()] == ["a.txt"]


def test_permissions_are_those_of_an_ordinary_file(tmp_path: Path) -> None:
    write_text(tmp_path / "a.txt", "é")
    (tmp_path / "b.txt").write_text("é", encoding="utf-8")
    modes = {(tmp_path / name).stat().st_mode for name in ("a.txt", "b.txt")}
    assert len(modes) == 1
    assert (tmp_path / "a.txt").read_bytes() == (tmp_path / "b.txt").read_bytes()


def test_a_long_name_is_no_obstacle(tmp_path: Path) -> None:
    name = "n" * 240 + ".txt"
    write_text(tmp_path / name, "x")
    assert (tmp_path / name).read_text() == "x"


def test_what_a_killed_process_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    kept = [".photo-original.png", ".hidden", ".a.part-short.png", "a.part-abcdefgh.png"]
    for name in kept:
        (tmp_path / name).write_text("mine")
    with atomic_path(tmp_path / "a.png") as temporary:
        left = tmp_path / f"{temporary.name[:-12]}abcdefgh.png"  # as another process names it
        left.write_text("half")
        remove_leftovers(tmp_path, older_than=60)
        assert left.exists()
        os.utime(left, (0, 0))
        remove_leftovers(tmp_path, older_than=60)
        assert not left.exists() and temporary.exists()
    assert sorted(os.listdir(tmp_path)) == sorted([*kept, "a.png"])  # noqa: PTH208


def test_a_process_that_ends_on_the_spot_takes_half_files_with_it(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), atomic_path(tmp_path / "a.png") as temporary:
        temporary.write_text("half")
        discard_unfinished()
        assert not list(tmp_path.iterdir())
