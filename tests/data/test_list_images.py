"""The files of a folder come in one order on every machine, and a bad folder says what to do."""

from __future__ import annotations

import errno
import os
import pickle
import re
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adasr.data.images import list_images
from adasr.data.listing import find_images, load_or_next, read_meta_info, relative_names
from adasr.data.path_list import PathList
from adasr.data.walking import _sort_key
from adasr.errors import DatasetError, ImageReadError


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def names(files: list[Path], root: Path) -> list[str]:
    return [f.relative_to(root).as_posix() for f in files]


def test_natural_order_whatever_the_order_of_creation(tmp_path):
    expected = ["0.png", "a2.png", "a10.JPG", "B3.png", "b/1.tif", "b/x/3.webp", "é.png", "日.bmp"]
    touch(tmp_path, *reversed(expected))
    assert names(list_images(tmp_path), tmp_path) == expected
    assert names(list_images(str(tmp_path), recursive=False), tmp_path) == [
        n for n in expected if "/" not in n
    ]


def test_names_that_differ_in_case_or_zeros_keep_one_order(tmp_path):
    touch(tmp_path, "a1.png", "a01.png", "A1.png")
    listed = names(list_images(tmp_path), tmp_path)
    assert sorted(listed) == ["A1.png", "a01.png", "a1.png"]
    assert listed == names(list_images(tmp_path), tmp_path)


def natural_key(path: Path) -> tuple:
    """Natural order, written down directly."""
    text = path.as_posix()
    parts = re.split(r"([0-9]+)", text.casefold())
    return tuple(int(p) if i % 2 else p for i, p in enumerate(parts)), text


NAMES = st.text("a b0123456789.-_Zß日é", min_size=1, max_size=9).filter(
    lambda name: name[0] != "." and not name.isspace()
)


@settings(deadline=None)
@given(st.lists(st.lists(NAMES, min_size=1, max_size=3), min_size=2, max_size=8))
def test_natural_order_of_any_names(paths):
    found = ["/".join(parts) + ".png" for parts in paths]
    assert sorted(found, key=_sort_key) == sorted(found, key=lambda f: natural_key(Path(f)))


def make_files(root: Path, count: int) -> None:
    for number in range(0, count, 1000):
        folder = root / f"part{number // 1000 * 7 % 20}"
        folder.mkdir(parents=True, exist_ok=True)
        for i in range(number, min(number + 1000, count)):
            os.close(os.open(folder / f"img_{i}.png", os.O_CREAT))


def check_listing(root: Path, count: int) -> None:
    make_files(root, count)
    tracemalloc.start()
    files = find_images(root)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(files) == count
    wanted = sorted(root.rglob("*.png"), key=lambda f: natural_key(f.relative_to(root)))
    assert all(a == b for a, b in zip(files, wanted, strict=True))
    # Paths take about 300 bytes each.
    assert held / count < 60 and len(pickle.dumps(files)) / count < 60


def test_many_files_in_the_memory_of_their_names(tmp_path):
    check_listing(tmp_path, 2000)


@pytest.mark.slow
def test_very_many_files(tmp_path):
    check_listing(tmp_path, 20_000)


def test_listing_asks_the_system_about_links_alone(tmp_path, monkeypatch):
    make_files(tmp_path, 50)
    (tmp_path / "link.png").symlink_to(tmp_path / "part0" / "img_3.png")
    asked = []
    stat = os.stat
    monkeypatch.setattr(os, "stat", lambda *a, **k: (asked.append(a), stat(*a, **k))[1])
    assert len(find_images(tmp_path)) == 51
    assert len(asked) < 10


def test_a_list_of_paths_is_a_sequence(tmp_path):
    one, two = PathList(tmp_path / "a", ["x.png", "y/ü.png"]), PathList(tmp_path / "b", ["z.png"])
    joined = one + two
    wanted = [tmp_path / "a" / "x.png", tmp_path / "a" / "y" / "ü.png", tmp_path / "b" / "z.png"]
    assert joined == wanted and list(joined) == wanted and joined[1:] == wanted[1:]
    assert joined[-1] == wanted[-1] and wanted[2] in joined and joined.index(wanted[2]) == 2
    assert pickle.loads(pickle.dumps(joined)) == joined != one
    assert PathList.from_arrays(joined.arrays()) == joined
    assert (one + two + one)[4] == wanted[1]
    with pytest.raises(IndexError):
        joined[3]


@pytest.mark.skipif(os.name == "nt", reason="names are text on Windows")
def test_names_that_are_no_text(tmp_path):
    name = os.fsdecode(b"\xff\xfe.png")
    (tmp_path / name).touch()
    assert find_images(tmp_path) == [tmp_path / name]


def test_links_to_themselves_and_to_nothing(tmp_path):
    touch(tmp_path, "a.png")
    (tmp_path / "self.png").symlink_to(tmp_path / "self.png")
    (tmp_path / "self").symlink_to(tmp_path / "self")
    assert find_images(tmp_path) == [tmp_path / "a.png"]


def test_hidden_and_other_files_are_left_out(tmp_path):
    touch(tmp_path, "a.png", ".b.png", ".git/c.png", "._a.png", "notes.txt", "png", "d.png/e.txt")
    assert names(list_images(tmp_path), tmp_path) == ["a.png"]


def test_a_hidden_root_and_its_parents_do_not_matter(tmp_path):
    touch(tmp_path / ".cache", "a.png")
    assert len(list_images(tmp_path / ".cache")) == 1


def test_linked_folders_are_followed_once(tmp_path):
    touch(tmp_path, "real/a.png", "set/b.png")
    (tmp_path / "set" / "link").symlink_to(tmp_path / "real", target_is_directory=True)
    (tmp_path / "set" / "loop").symlink_to(tmp_path / "set", target_is_directory=True)
    (tmp_path / "set" / "dead.png").symlink_to(tmp_path / "nowhere.png")
    listed = names(list_images(tmp_path / "set"), tmp_path / "set")
    assert listed == ["b.png", "link/a.png"]
    told: dict[Path, OSError] = {}
    assert len(list_images(tmp_path / "set", on_unreadable=told.__setitem__)) == 2
    assert list(told) == [tmp_path / "set" / "dead.png"]
    assert told[tmp_path / "set" / "dead.png"].errno == errno.ENOENT


def test_bad_folders(tmp_path):
    touch(tmp_path, "file.png", "empty/readme.txt", "deep/x/a.png")
    with pytest.raises(DatasetError, match=r"none: does not exist\. "):
        list_images(tmp_path / "none")
    with pytest.raises(DatasetError, match="is a file"):
        list_images(tmp_path / "file.png")
    with pytest.raises(DatasetError, match=r"holds no image\. .*\.png"):
        list_images(tmp_path / "empty")
    with pytest.raises(DatasetError, match="sub-folders are not searched"):
        list_images(tmp_path / "deep", recursive=False)


def test_names_are_unique_and_portable(tmp_path):
    files = [tmp_path / n for n in ("x/a.b.png", "c.png", "C.jpg", "x/c.png")]
    assert relative_names(files, tmp_path) == ["x/a.b", "c.png", "C.jpg", "x/c"]


def test_meta_info(tmp_path):
    touch(tmp_path, "a.png", "with space (2).png", "x/c.png", "unused.png")
    meta = tmp_path / "meta.txt"
    meta.write_text("x/c.png (12,34,3)\n\nwith space (2).png (480, 480, 1)\r\na.png\n")
    expected = ["x/c.png", "with space (2).png", "a.png"]
    assert read_meta_info(meta) == expected
    assert names(find_images(tmp_path, str(meta)), tmp_path) == expected


def test_bad_meta_info(tmp_path):
    touch(tmp_path, "a.png", "empty.txt")
    meta = tmp_path / "meta.txt"
    meta.write_text("a.png (1,1,3)\ngone.png (1,1,3)\ngone2.png\n")
    with pytest.raises(DatasetError, match=r"meta\.txt: names .*gone\.png and 1 more.*adasr prep"):
        find_images(tmp_path, str(meta))
    with pytest.raises(DatasetError, match="names no file"):
        read_meta_info(tmp_path / "empty.txt")
    with pytest.raises(DatasetError, match="No such file"):
        read_meta_info(tmp_path / "none.txt")
    meta.write_bytes(b"\xff\xfe\xff")
    with pytest.raises(DatasetError, match="UTF-8"):
        read_meta_info(meta)
    with pytest.raises(DatasetError, match="is not a folder"):
        find_images(tmp_path / "none", str(meta))


def test_next_usable_item_wraps_around(tmp_path):
    def load(index: int) -> int:
        if index != 1:
            raise ImageReadError(f"{index}.png", "is bad")
        return index

    assert load_or_next(load, 1, 4, tmp_path) == (1, [])
    assert load_or_next(load, 3, 4, tmp_path) == (1, [("3.png", "is bad"), ("0.png", "is bad")])
    with pytest.raises(DatasetError, match=r"no usable image; 0\.png is bad"):
        load_or_next(load, 0, 1, tmp_path)


def test_a_vanished_folder_is_left_behind_in_few_steps(tmp_path):
    """Of a million files the first half is gone."""
    tried = []

    def load(index: int) -> int:
        tried.append(index)
        if index < 500_000:
            raise ImageReadError(f"{index}.png", "is gone")
        return index

    found, skipped = load_or_next(load, 7, 1_000_000, tmp_path)
    assert found >= 500_000 and len(skipped) == len(tried) - 1 < 40
    # Neighbours first, as with a single bad file.
    assert tried[:3] == [7, 8, 9]


@pytest.mark.parametrize("count", [1, 2, 3, 16, 17, 40, 999])
def test_every_index_is_tried_before_giving_up(tmp_path, count):
    tried = []

    def load(index: int) -> int:
        tried.append(index)
        raise ImageReadError("x", "is bad")

    with pytest.raises(DatasetError):
        load_or_next(load, count // 2, count, tmp_path)
    assert sorted(tried) == list(range(count))


def test_a_lost_disk_is_told_at_once(tmp_path):
    tried = []

    def load(index: int) -> int:
        tried.append(index)
        raise ImageReadError("x", "does not exist")

    with pytest.raises(DatasetError, match=r"gone: has disappeared\. .*--auto-resume"):
        load_or_next(load, 5, 1_000_000, tmp_path / "gone")
    assert len(tried) <= 1000


def test_only_files_count(tmp_path, photo, save_png):
    save_png(tmp_path / "a.png", photo)
    (tmp_path / "folder.png").mkdir()
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "device.png").symlink_to("/dev/zero")
    (tmp_path / "gone.png").symlink_to(tmp_path / "nothing.png")
    assert list_images(tmp_path) == [tmp_path / "a.png"]
