"""What files become: formats, quality, metadata, sizes; huge ones row by row."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from adasr.errors import ImageReadError, ImageWriteError, OptionError
from adasr.inference import Upscaler, upscale_folder
from adasr.inference.folder import upscale_file, work


class Nearest(nn.Module):
    upscale = 2

    def __init__(self, seconds: float = 0.0) -> None:
        super().__init__()
        self.seconds = seconds

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        time.sleep(self.seconds)
        return nn.functional.interpolate(x, scale_factor=2.0, mode="nearest")


@pytest.fixture
def up() -> Upscaler:
    return Upscaler(Nearest(), precision="fp32")


def image(shape: tuple[int, ...] = (30, 20, 3), dtype: type = np.uint8) -> np.ndarray:
    return np.random.default_rng(0).integers(0, np.iinfo(dtype).max, shape, dtype=dtype)


def save(path: Path, pixels: np.ndarray, **options: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)  # type: ignore[arg-type]


def pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path))


def test_metadata_is_kept_or_dropped(up: Upscaler, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x010F], exif[0x0112] = "Maker", 6  # the orientation turns the pixels
    save(tmp_path / "in/a.jpg", image(), exif=exif, dpi=(300, 300))
    upscale_folder(up, tmp_path / "in", tmp_path / "kept")
    upscale_folder(up, tmp_path / "in", tmp_path / "bare", strip_metadata=True)
    with Image.open(tmp_path / "kept/a.png") as kept, Image.open(tmp_path / "bare/a.png") as bare:
        assert kept.size == bare.size == (60, 40)
        assert kept.getexif()[0x010F] == "Maker" and kept.getexif().get(0x0112, 1) == 1
        assert kept.info["dpi"] == pytest.approx((300, 300), abs=0.1)
        assert not bare.getexif() and "dpi" not in bare.info


def test_quality_decides_the_size_of_lossy_files(up: Upscaler, tmp_path: Path) -> None:
    save(tmp_path / "in/a.png", image((100, 100, 3)))
    sizes = {}
    for quality in (None, 30, 90):
        for ext in ("jpg", "webp"):
            out = tmp_path / f"{quality}"
            upscale_folder(up, tmp_path / "in", out, ext=ext, quality=quality)
            sizes[ext, quality] = (out / f"a.{ext}").stat().st_size
    assert sizes["jpg", 30] < sizes["jpg", 90] < sizes["jpg", None]
    assert sizes["webp", 30] < sizes["webp", 90] < sizes["webp", None]
    with pytest.raises(OptionError, match="quality"):
        upscale_folder(up, tmp_path / "in", tmp_path / "out", quality=101)
    assert not (tmp_path / "out").exists()


def test_images_above_the_limit_are_named(up: Upscaler, tmp_path: Path) -> None:
    save(tmp_path / "in/a.png", image((30, 20, 3)))
    save(tmp_path / "in/b.png", image((10, 20, 3)))
    report = upscale_folder(up, tmp_path / "in", tmp_path / "out", max_pixels=500)
    assert [p.name for p in report.done] == ["b.png"]
    assert "500" in report.failures[tmp_path / "in/a.png"]


def test_a_scale_of_the_users(tmp_path: Path) -> None:
    save(tmp_path / "in/a.png", image((30, 20, 3)))
    upscale_folder(Upscaler(Nearest(), scale=2.5), tmp_path / "in", tmp_path / "out")
    assert pixels(tmp_path / "out/a.png").shape == (75, 50, 3)


def test_small_images_together_are_as_if_alone(tmp_path: Path) -> None:
    class Counting(Nearest):
        calls = 0

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            Counting.calls += 1
            return super().forward(x)

    for number in range(40):
        shape = [(16, 16, 3), (16, 16), (12, 16, 3)][number % 3]
        save(tmp_path / f"in/{number}.png", image(shape))
    counted = Upscaler(Counting(), precision="fp32")
    counted(image())
    Counting.calls = 0
    report = upscale_folder(counted, tmp_path / "in", tmp_path / "out")
    assert len(report.done) == 40 and Counting.calls < 40
    for path in (tmp_path / "in").iterdir():
        expected = pixels(path).repeat(2, axis=0).repeat(2, axis=1)
        assert np.array_equal(pixels(tmp_path / "out" / path.name), expected)


@pytest.mark.parametrize("name", ["rgb.png", "gray.tif", "deep.png", "alpha.png", "photo.jpg"])
@pytest.mark.parametrize("scale", [None, 1.5])
def test_huge_images_row_by_row_are_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, scale: float | None
) -> None:
    kinds = {"gray.tif": (90, 40), "alpha.png": (90, 40, 4), "deep.png": (90, 40)}
    save(
        tmp_path / "in" / name,
        image(kinds.get(name, (90, 40, 3)), np.uint16 if name == "deep.png" else np.uint8),
        **({"dpi": (300, 300)} if name == "rgb.png" else {}),
    )
    up = Upscaler(Nearest(), precision="fp32", tile=16, scale=scale)
    [whole] = upscale_folder(up, tmp_path / "in", tmp_path / "whole").done
    monkeypatch.setattr(work, "_HUGE_SHARE", 2**62)
    ticks = []
    [streamed] = upscale_folder(
        up, tmp_path / "in", tmp_path / "streamed", on_tile=lambda *tick: ticks.append(tick)
    ).done
    assert streamed.name == whole.name and len(ticks) > 5
    assert np.array_equal(pixels(streamed), pixels(whole))
    if name == "rgb.png":
        assert Image.open(streamed).info["dpi"] == pytest.approx((300, 300), abs=0.1)


def test_a_huge_image_that_is_stopped_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(tmp_path / "in/a.png", image((300, 20, 3)))
    monkeypatch.setattr(work, "_HUGE_SHARE", 2**62)
    stop = threading.Event()
    tiled = Upscaler(Nearest(0.1), tile=16)
    report = upscale_folder(
        tiled, tmp_path / "in", tmp_path / "out", stop=stop, on_tile=lambda *_: stop.set()
    )
    assert len(report.left) == 1 and not list((tmp_path / "out").iterdir())


def test_files_that_are_no_files_hold_nothing_up(up: Upscaler, tmp_path: Path) -> None:
    import os

    save(tmp_path / "in/a.png", image())
    os.mkfifo(tmp_path / "in/pipe.png")
    (tmp_path / "in/zero.png").symlink_to("/dev/zero")
    (tmp_path / "in/folder.png").mkdir()
    (tmp_path / "in/gone.png").symlink_to(tmp_path / "nowhere.png")
    report = upscale_folder(up, tmp_path / "in", tmp_path / "out")
    assert [p.name for p in report.done] == ["a.png"]
    assert list(report.failures) == [tmp_path / "in/gone.png"]
    assert "No such file" in report.failures[tmp_path / "in/gone.png"]
    for name in ("pipe.png", "zero.png"):
        with pytest.raises(ImageReadError):
            found = upscale_folder(up, tmp_path / "in" / name, tmp_path / "out")
            raise ImageReadError(name, next(iter(found.failures.values())))


def test_one_file_to_another(up: Upscaler, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tmp_path / "a.png", image(), dpi=(300, 300))
    ticks = []
    for share in (4, 2**62):  # in memory, then row by row
        monkeypatch.setattr(work, "_HUGE_SHARE", share)
        ticks.clear()
        written = upscale_file(
            up,
            tmp_path / "a.png",
            tmp_path / f"{share}/b.tif",
            on_tile=lambda *tick: ticks.append(tick),
        )
        assert written == tmp_path / f"{share}/b.tif" and ticks
        assert np.array_equal(pixels(written), image().repeat(2, axis=0).repeat(2, axis=1))
        assert Image.open(written).info["dpi"] == pytest.approx((300, 300), abs=0.1)
    assert up.file(tmp_path / "a.png", tmp_path / "c.jpg", quality=80) == tmp_path / "c.jpg"
    save(tmp_path / "alpha.png", image((8, 8, 4)))
    with pytest.raises(ImageWriteError, match="alpha"):
        upscale_file(up, tmp_path / "alpha.png", tmp_path / "alpha.jpg", on_tile=_not_yet)
    assert not (tmp_path / "alpha.jpg").exists()


def _not_yet(done: int, total: int) -> None:
    pytest.fail("what the format cannot hold is known before the network runs")
