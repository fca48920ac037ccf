"""Sub-images equal BasicSR's, work is never done twice, one bad file stops nothing."""

from __future__ import annotations

import numpy as np
import pytest

from adasr.data.image_folder import ImageFolder
from adasr.data.images import list_images, read_image, write_image
from adasr.data.prepare import check_files, sub_image_boxes, write_meta_info, write_sub_images
from adasr.errors import DatasetError, ImageWriteError, OptionError


def basicsr_starts(length: int, size: int, step: int, thresh: int) -> list[int]:
    """What BasicSR's extract_subimages script gives for one side, from its description."""
    starts = list(range(0, length - size + 1, step))
    if length - (starts[-1] + size) > thresh:
        starts.append(length - size)
    return starts


@pytest.mark.parametrize(("size", "step", "thresh"), [(480, 240, 0), (120, 60, 7), (50, 70, 0)])
def test_boxes_equal_basicsrs(size, step, thresh):
    for height, width in ((1404, 2040), (480, 481), (500, 721), (600, 960)):
        rows = basicsr_starts(height, size, step, thresh)
        columns = basicsr_starts(width, size, step, thresh)
        assert sub_image_boxes(height, width, size, step, thresh) == [
            (top, left, size, size) for top in rows for left in columns
        ]


def test_small_images_are_taken_whole():
    assert sub_image_boxes(30, 40, 480, 240) == [(0, 0, 30, 40)]
    assert sub_image_boxes(30, 500, 480, 240) == [(0, 0, 30, 480), (0, 20, 30, 480)]
    assert sub_image_boxes(1, 1, 1, 1) == [(0, 0, 1, 1)]


def test_sub_images(folder, tmp_path, numbered):
    deep = np.random.default_rng(0).integers(0, 65536, (30, 45, 1), dtype=np.uint16)
    write_image(folder / "sub" / "deep.png", deep)
    write_image(folder / "img0.bmp", numbered(8, 30, 30))
    calls = []
    report = write_sub_images(
        folder, tmp_path / "out", 30, 15, on_done=lambda *done: calls.append(done)
    )
    assert report.failures == [] == report.kept and calls == [(i, 8) for i in range(1, 9)]
    assert sorted(report.written) == sorted(list_images(tmp_path / "out"))
    parts = [p for p in report.written if p.name.startswith("img3")]
    assert [p.name for p in parts] == [f"img3_s{i:03d}.png" for i in range(1, 7)]
    image = numbered(3)
    for path, (top, left, h, w) in zip(parts, sub_image_boxes(40, 48, 30, 15), strict=True):
        np.testing.assert_array_equal(read_image(path), image[top : top + h, left : left + w])
    np.testing.assert_array_equal(
        read_image(tmp_path / "out" / "sub" / "deep_s002.png"), deep[:, 15:]
    )
    assert (tmp_path / "out" / "img0.bmp_s001.png").exists()  # beside img0.png's
    assert len(ImageFolder(str(tmp_path / "out"), 32, 4)) == len(report.written)


def test_goes_on_where_it_stopped(folder, tmp_path):
    first = write_sub_images(folder, tmp_path / "out", 30, 15)
    gone = first.written[7]
    gone.unlink()
    second = write_sub_images(folder, tmp_path / "out", 30, 15)
    assert second.written == [gone] and len(second.kept) == len(first.written) - 1
    with pytest.raises(DatasetError, match="other settings"):
        write_sub_images(folder, tmp_path / "out", 30, 10)


def test_one_bad_file_does_not_stop_it(folder, tmp_path):
    data = (folder / "img2.png").read_bytes()
    (folder / "img2.png").write_bytes(data[: len(data) // 2])
    (folder / "img4.png").write_text("no image")
    report = write_sub_images(folder, tmp_path / "out", 64, 64)
    assert [p for p, _ in report.failures] == [str(folder / f"img{i}.png") for i in (2, 4)]
    assert len(report.written) == 4
    lines = str(report).splitlines()
    assert lines[0] == "4 written, 0 there already, 2 failed"
    assert lines[2] == f"failed: {folder / 'img4.png'}: is not a readable image."
    assert check_files(list_images(folder)) == report.failures


def test_bad_targets_and_values(folder, tmp_path):
    with pytest.raises(DatasetError, match="lies inside the source"):
        write_sub_images(folder, folder / "sub")
    with pytest.raises(DatasetError, match="cannot be written"):
        write_sub_images(folder, blocked(tmp_path))
    for values in ({"size": 0}, {"step": 0}, {"thresh": -1}):
        with pytest.raises(OptionError, match=next(iter(values))):
            write_sub_images(folder, tmp_path / "out", **values)
    with pytest.raises(DatasetError, match="does not exist"):
        write_sub_images(tmp_path / "none", tmp_path / "out")


def blocked(tmp_path):
    (tmp_path / "file").write_text("in the way")
    return tmp_path / "file" / "out"


def test_a_full_disk_stops_it_at_once(folder, tmp_path, monkeypatch):
    from adasr.data import pictures

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pictures, "write_bytes", full)
    with pytest.raises(ImageWriteError, match="No space left"):
        write_sub_images(folder, tmp_path / "out", 30, 15)


def test_meta_info(folder, tmp_path):
    write_image(folder / "sub" / "gray ü.png", np.zeros((5, 7), np.uint8))
    (folder / "img1.png").write_text("no image")
    report = write_meta_info(folder, tmp_path / "meta.txt")
    lines = (tmp_path / "meta.txt").read_text(encoding="utf-8").splitlines()
    assert lines == [
        *(f"img{i}.png (40,48,3)" for i in (0, 2, 3, 4, 5)),
        "sub/gray ü.png (5,7,1)",
    ]
    assert [p for p, _ in report.failures] == [str(folder / "img1.png")]
    dataset = ImageFolder(str(folder), 16, 4, meta_info=str(tmp_path / "meta.txt"))
    assert len(dataset) == 6 and dataset.problems() == []


def test_bad_meta_info_targets(folder, tmp_path):
    with pytest.raises(DatasetError, match="cannot be written"):
        write_meta_info(folder, blocked(tmp_path))
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "a.png").write_text("no image")
    with pytest.raises(DatasetError, match="no readable image"):
        write_meta_info(tmp_path / "bad", tmp_path / "meta.txt")
    assert not (tmp_path / "meta.txt").exists()
