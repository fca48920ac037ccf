from __future__ import annotations

from pathlib import Path

import pytest

from adasr.files import atomic_path, write_text


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
