"""The files of a folder come in one order on every machine, and a bad folder says what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from adasr.data.images import list_images
from adasr.data.listing import find_images, load_or_next, read_meta_info, relative_names
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
