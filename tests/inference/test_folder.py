"""A folder of files is enlarged whole: mirrored, nothing overwritten, nothing stops it."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from adasr.errors import DatasetError, ImageReadError, ImageWriteError, OptionError
from adasr.inference import Upscaler, upscale_folder


class Nearest(nn.Module):
    upscale = 2

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.interpolate(x, scale_factor=2.0, mode="nearest")


@pytest.fixture
def up() -> Upscaler:
    return Upscaler(Nearest())


def image(seed: int, shape: tuple[int, ...] = (6, 5, 3)) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def save(path: Path, seed: int = 0, shape: tuple[int, ...] = (6, 5, 3)) -> np.ndarray:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image(seed, shape)).save(path)
    return image(seed, shape)


def pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path))


def files(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def twice(array: np.ndarray) -> np.ndarray:
    return array.repeat(2, axis=0).repeat(2, axis=1)


def test_sub_folders_are_mirrored_and_pixels_right(up: Upscaler, tmp_path: Path) -> None:
    first = save(tmp_path / "in/a.png", 1)
    second = save(tmp_path / "in/日本 語/ü.png", 2, (4, 4, 4))
    report = upscale_folder(up, tmp_path / "in", tmp_path / "out")
    assert files(tmp_path / "out") == ["a.png", "日本 語/ü.png"]
    assert np.array_equal(pixels(tmp_path / "out/a.png"), twice(first))
    assert np.array_equal(pixels(tmp_path / "out/日本 語/ü.png")[..., 3].shape, (8, 8))
    assert second.shape == (4, 4, 4)
    assert sorted(report.done) == sorted((tmp_path / "out").rglob("*.png"))
    assert not report.failures and not report.skipped


def test_a_single_file_goes_into_the_folder(up: Upscaler, tmp_path: Path) -> None:
    save(tmp_path / "photo.jpg")
    report = upscale_folder(up, tmp_path / "photo.jpg", tmp_path / "out", suffix="_x2")
    assert report.done == [tmp_path / "out/photo_x2.png"]


def test_one_bad_file_does_not_stop_the_rest(up: Upscaler, tmp_path: Path) -> None:
    for name in ("a.png", "c.png"):
        save(tmp_path / "in" / name)
    (tmp_path / "in/b.png").write_bytes((tmp_path / "in/a.png").read_bytes()[:60])
    (tmp_path / "in/d.jpg").write_bytes(b"not an image")
    started: list[tuple[str, int, int]] = []
    ended: list[tuple[str, bool]] = []
    report = upscale_folder(
        up,
        tmp_path / "in",
        tmp_path / "out",
        on_start=lambda path, number, total: started.append((path.name, number, total)),
        on_done=lambda path, problem: ended.append((path.name, problem is None)),
    )
    assert files(tmp_path / "out") == ["a.png", "c.png", "failures.json"]
    assert sorted(p.name for p in report.failures) == ["b.png", "d.jpg"]
    assert sorted(started) == [("a.png", 1, 4), ("b.png", 2, 4), ("c.png", 3, 4), ("d.jpg", 4, 4)]
    assert ended == [("a.png", True), ("b.png", False), ("c.png", True), ("d.jpg", False)]


def test_a_network_that_fails_on_an_image_does_not_stop_the_rest(tmp_path: Path) -> None:
    class Moody(Nearest):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if x.shape[-1] == 5:
                raise RuntimeError("a bug")
            return super().forward(x)

    save(tmp_path / "in/a.png")
    save(tmp_path / "in/b.png", 0, (6, 6, 3))
    report = upscale_folder(Upscaler(Moody()), tmp_path / "in", tmp_path / "out")
    assert [p.name for p in report.done] == ["b.png"]
    assert report.failures[tmp_path / "in/a.png"] == "RuntimeError: a bug"


def test_inputs_of_one_name_give_different_outputs(up: Upscaler, tmp_path: Path) -> None:
    for number, name in enumerate(("a.jpg", "a.png", "a.webp", "a_jpg.png")):
        save(tmp_path / "in" / name, number)
    report = upscale_folder(up, tmp_path / "in", tmp_path / "out")
    assert len(set(report.done)) == 4 and len(files(tmp_path / "out")) == 4
    assert np.array_equal(pixels(tmp_path / "out/a.png"), twice(image(1)))
    assert np.array_equal(pixels(tmp_path / "out/a_jpg.png"), twice(image(3)))


def test_names_that_differ_in_case_alone_give_different_outputs(
    up: Upscaler, tmp_path: Path
) -> None:
    save(tmp_path / "in/A.jpg", 1)
    save(tmp_path / "in/a.png", 2)
    done = upscale_folder(up, tmp_path / "in", tmp_path / "out").done
    assert len({p.name.lower() for p in done}) == 2


def test_an_output_folder_inside_the_input_is_not_read(up: Upscaler, tmp_path: Path) -> None:
    save(tmp_path / "a.png")
    for _ in range(2):
        report = upscale_folder(up, tmp_path, tmp_path / "results")
        assert [p.name for p in report.done] == ["a.png"]
    assert files(tmp_path) == ["a.png", "results/a.png"]


@pytest.mark.parametrize("source", [".", "a.png"])
def test_inputs_are_never_overwritten(up: Upscaler, tmp_path: Path, source: str) -> None:
    original = save(tmp_path / "a.png", 1)
    save(tmp_path / "a.jpg", 2)
    with pytest.raises(OptionError, match="suffix"):
        upscale_folder(up, tmp_path / source, tmp_path)
    assert np.array_equal(pixels(tmp_path / "a.png"), original)


def test_with_a_suffix_results_may_stand_beside_the_inputs(up: Upscaler, tmp_path: Path) -> None:
    save(tmp_path / "a.png")
    for _ in range(2):  # the second run must not enlarge the results of the first
        report = upscale_folder(up, tmp_path, tmp_path, suffix="_x2")
        assert report.done == [tmp_path / "a_x2.png"]
    assert files(tmp_path) == ["a.png", "a_x2.png"]


def test_existing_results_are_skipped_when_asked(up: Upscaler, tmp_path: Path) -> None:
    save(tmp_path / "in/a.png", 1)
    save(tmp_path / "in/b.png", 2)
    upscale_folder(up, tmp_path / "in/a.png", tmp_path / "out")
    before = (tmp_path / "out/a.png").stat().st_mtime_ns
    report = upscale_folder(up, tmp_path / "in", tmp_path / "out", skip_existing=True)
    assert [p.name for p in report.skipped] == ["a.png"]
    assert [p.name for p in report.done] == ["b.png"]
    assert (tmp_path / "out/a.png").stat().st_mtime_ns == before


@pytest.mark.parametrize("ext", ["jpg", ".JPG", "bmp", "webp", "tif"])
def test_a_named_format_is_taken_where_it_holds_the_image(
    up: Upscaler, tmp_path: Path, ext: str
) -> None:
    save(tmp_path / "in/colour.png")
    save(tmp_path / "in/alpha.png", 0, (4, 4, 4))
    Image.fromarray(np.arange(16, dtype=np.uint16).reshape(4, 4) * 4000).save(tmp_path / "in/d.png")
    report = upscale_folder(up, tmp_path / "in", tmp_path / "out", ext=ext)
    suffix = "." + ext.lower().lstrip(".")
    names = {p.stem: p.suffix for p in report.done}
    assert names["colour"] == suffix
    assert names["alpha"] == (suffix if ext in ("webp", "tif") else ".png")
    assert names["d"] == (suffix if ext == "tif" else ".png")
    depth = pixels(tmp_path / f"out/d{names['d']}")
    assert depth.max() == 60000 and depth.ndim == 2
    again = upscale_folder(up, tmp_path / "in", tmp_path / "out", ext=ext, skip_existing=True)
    assert len(again.skipped) == 3 and not again.done


def test_bad_places_are_named_before_anything_runs(up: Upscaler, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetError, match="holds no image"):
        upscale_folder(up, tmp_path / "empty", tmp_path / "out")
    with pytest.raises(ImageReadError, match="does not exist"):
        upscale_folder(up, tmp_path / "nowhere.png", tmp_path / "out")
    save(tmp_path / "in/a.png")
    with pytest.raises(OptionError, match="format"):
        upscale_folder(up, tmp_path / "in", tmp_path / "out", ext="docx")
    (tmp_path / "file").write_text("x")
    with pytest.raises(ImageWriteError, match="cannot be made"):
        upscale_folder(up, tmp_path / "in", tmp_path / "file/out")
    assert not (tmp_path / "out").exists()


def test_a_full_disk_ends_the_run_and_keeps_what_is_done(
    up: Upscaler, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(300):
        save(tmp_path / "in" / f"{number}.png")
    calls = []
    sync = os.fsync

    def fill_up(handle: int) -> None:
        calls.append(handle)
        if len(calls) > 3:
            raise OSError(28, "No space left on device")
        sync(handle)

    monkeypatch.setattr(os, "fsync", fill_up)
    report = upscale_folder(up, tmp_path / "in", tmp_path / "out")
    assert len(report.done) == 3 and files(tmp_path / "out") == sorted(p.name for p in report.done)
    assert report.ended is not None and "No space left" in report.ended
    assert len(report.failures) == 1 and len(report.left) == 296
    monkeypatch.undo()
    again = upscale_folder(up, tmp_path / "in", tmp_path / "out", skip_existing=True)
    assert len(again.skipped) == 3 and len(again.done) == 297 and not again.failures


def test_real_files_go_through(up: Upscaler, shared: Path, tmp_path: Path) -> None:
    # Depth, alpha and gray of the odd files come back; a JPEG that is cut off is named.
    report = upscale_folder(up, shared / "data/real", tmp_path)
    assert report.done
    for output in report.done:
        assert pixels(output).size > 0


def test_a_sub_folder_that_cannot_be_read_is_named_and_does_not_stop_the_rest(
    up: Upscaler, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(tmp_path / "in/a.png")
    save(tmp_path / "in/locked/b.png")
    scandir = os.scandir

    def refuse(path: str) -> object:
        if "locked" in str(path):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    report = upscale_folder(up, tmp_path / "in", tmp_path / "out")
    assert [path.name for path in report.done] == ["a.png"]
    assert "Permission denied" in report.failures[tmp_path / "in/locked"]
    assert (tmp_path / "out/failures.json").exists()


def test_a_folder_that_cannot_be_written_is_refused_before_anything_runs(
    up: Upscaler, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(tmp_path / "in/a.png")
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(ImageWriteError, match="cannot be written to"):
        upscale_folder(up, tmp_path / "in", tmp_path / "out")
