"""The file of decoded images: whole or not there, true to its sources, shared by runs."""

from __future__ import annotations

import errno
import multiprocessing
import os
import shutil
import signal
import time
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
import torch
from filelock import FileLock

from adasr.data.cache import disk, pixel_file
from adasr.data.cache.disk import DiskCache
from adasr.data.image_folder import ImageFolder
from adasr.data.images import read_image, write_image
from adasr.data.loader import train_loader
from adasr.errors import DatasetError


def opened(folder: Path, **options) -> tuple[ImageFolder, list[str]]:
    dataset = ImageFolder(str(folder), 16, 4, cache="disk", **options)
    told: list[str] = []
    dataset.open_cache(tell=told.append)
    return dataset, told


def reader(dataset: ImageFolder) -> DiskCache:
    assert isinstance(dataset._read, DiskCache)
    return dataset._read


def decoded_by(monkeypatch) -> list[int]:
    """The indices that a cache decodes from now on."""
    seen: list[int] = []
    init = DiskCache.__init__

    def counting(self, files, decode, *args, **kwargs):
        init(self, files, lambda i: (seen.append(i), decode(i))[1], *args, **kwargs)

    monkeypatch.setattr(DiskCache, "__init__", counting)
    return seen


def test_second_run_finds_it(folder: Path, monkeypatch):
    first, told = opened(folder)
    assert len(told) == 1 and told[0].startswith("cache: 6 images, 0.0")
    monkeypatch.setattr(pixel_file.PixelWriter, "put", lambda *_: pytest.fail("built again"))
    second, told = opened(folder)
    assert told == [f"cache: 6 images in {reader(first).path}"]
    assert torch.equal(first[(2, 1)]["gt"], second[(2, 1)]["gt"])
    # Images are found as before: the cache is hidden.
    assert len(second) == 6 and reader(first).path.parent == folder / ".adasr_cache"


def test_progress(folder: Path):
    calls: list[tuple[int, int]] = []
    dataset = ImageFolder(str(folder), 16, 4, cache="disk")
    dataset.open_cache(lambda done, total: calls.append((done, total)))
    assert calls == [(n, 6) for n in range(1, 7)]


def test_changed_images_alone_are_decoded_again(folder: Path, monkeypatch, numbered):
    opened(folder)
    seen = decoded_by(monkeypatch)
    write_image(folder / "img3.png", numbered(9))
    dataset, told = opened(folder)
    assert told[0] == "cache: 1 of 6 images changed (img3.png); it is built again"
    assert seen == [3] and dataset[(3, 0)]["gt"][0].unique().tolist() == [90]
    seen.clear()
    # A touched file may be another one of the same size.
    os.utime(folder / "img0.png", ns=(1, 1))
    assert opened(folder)[1][0].startswith("cache: 1 of 6 images changed (img0.png)")
    assert seen == [0]


def test_added_and_removed_images(folder: Path, monkeypatch, numbered):
    opened(folder)
    seen = decoded_by(monkeypatch)
    (folder / "img1.png").unlink()
    write_image(folder / "img77.png", numbered(8))
    dataset, told = opened(folder)
    assert told[0].startswith("cache: the list of images has changed") and seen == [5]
    found = [int(dataset[(i, 0)]["gt"][0, 0, 0]) for i in range(6)]
    assert found == [0, 20, 30, 40, 50, 80]
    assert len(list((folder / ".adasr_cache").glob("*.adasr"))) == 1


def test_several_folders_share_one_file(folder: Path, tmp_path: Path, numbered):
    write_image(tmp_path / "two" / "img0.png", numbered(12))
    roots = [str(folder), str(tmp_path / "two")]
    place = tmp_path / "place"
    dataset = ImageFolder(roots, 16, 4, cache="disk", cache_dir=str(place))
    found = [int(dataset[(i, 0)]["gt"][0, 0, 0]) for i in range(7)]
    assert found == [0, 10, 20, 30, 40, 50, 120]
    assert len(list(place.glob("*.adasr"))) == 1 and not (folder / ".adasr_cache").exists()


@pytest.mark.parametrize("length", [0, 10, 5000, -1, -20])
def test_a_file_that_is_not_whole_is_built_again(folder: Path, length):
    dataset, _ = opened(folder)
    path, plain = reader(dataset).path, ImageFolder(str(folder), 16, 4)
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(data[:length])
    again, told = opened(folder)
    assert len(told) == 1 and path.read_bytes()[:100] == data[:100]
    assert torch.equal(again[(1, 1)]["gt"], plain[(1, 1)]["gt"])


def test_damaged_index_is_built_again(folder: Path):
    path = reader(opened(folder)[0]).path
    data = bytearray(path.read_bytes())
    data[-400:-20] = bytes(380)
    path.unlink()
    path.write_bytes(data)
    assert opened(folder)[0][(0, 0)]["skipped"] == []


def test_cut_short_in_mid_run(folder: Path):
    """The images' own files are read then."""
    dataset, _ = opened(folder)
    batches = iter(train_loader(dataset, 3, 1, seed=1))
    plain = iter(train_loader(ImageFolder(str(folder), 16, 4), 3, 0, seed=1))
    first = [next(batches) for _ in range(3)]
    os.truncate(reader(dataset).path, 1000)
    later = [next(batches) for _ in range(6)]
    assert all(torch.equal(b["gt"], next(plain)["gt"]) for b in first + later)
    assert dict(later[-1]["skipped"])[str(reader(dataset).path)].startswith("was cut short")


def test_cut_short_at_the_very_moment(folder: Path):
    """Between taking an image and reading its pixels: a map would kill the process."""
    read = reader(opened(folder)[0])
    image, whole = read(1), np.asarray(read(1))
    os.truncate(read.path, 1000)
    assert np.array_equal(image[3:40, 5:9], whole[3:40, 5:9])
    assert read.fault is not None and np.array_equal(np.asarray(image), whole)


def test_a_crop_reads_its_rows_alone(folder: Path, monkeypatch):
    dataset, _ = opened(folder)
    read, taken = pixel_file.PixelFile.rows, []

    def rows(self, index, first, end):
        taken.append(end - first)
        return read(self, index, first, end)

    monkeypatch.setattr(pixel_file.PixelFile, "rows", rows)
    assert dataset[(1, 1)]["gt"].shape == (3, 16, 16) and taken == [16]


def test_deleted_in_mid_run(folder: Path):
    dataset, _ = opened(folder)
    plain = ImageFolder(str(folder), 16, 4)
    shutil.rmtree(folder / ".adasr_cache")
    assert torch.equal(dataset[(1, 1)]["gt"], plain[(1, 1)]["gt"])
    assert dataset[(1, 1)]["skipped"] == []


def test_too_little_space_is_told_before_anything_is_written(folder: Path, monkeypatch):
    usage = namedtuple("usage", "total used free")(10**9, 10**9, 20_000)
    monkeypatch.setattr(disk.shutil, "disk_usage", lambda path: usage)
    with pytest.raises(DatasetError, match=r"takes 0\.03\d* MiB of disk.*0\.019\d* MiB are free"):
        opened(folder)
    assert list((folder / ".adasr_cache").glob("*.adasr")) == []


def test_disk_full_while_it_is_built(folder: Path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(pixel_file.PixelWriter, "put", full)
    with pytest.raises(DatasetError, match=r"No space left on device.*cache_dir"):
        opened(folder)
    assert [p for p in (folder / ".adasr_cache").iterdir() if p.suffix == ".adasr"] == []
    monkeypatch.undo()
    assert len(opened(folder)[1]) == 1


def _open_limited(folder: str, told: list) -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
    try:
        ImageFolder(folder, 16, 4, cache="disk").open_cache()
    except DatasetError as error:
        told.append(str(error))


@pytest.mark.skipif(os.name == "nt", reason="no limits of files on Windows")
def test_a_write_that_the_system_refuses(folder: Path):
    context = multiprocessing.get_context("fork")
    with context.Manager() as manager:
        told = manager.list()
        run = context.Process(target=_open_limited, args=[str(folder), told])
        run.start()
        run.join()
        assert run.exitcode == 0 and len(told) == 1
        assert ".adasr: cannot be written (File too large). Free some space" in told[0]
    assert list((folder / ".adasr_cache").glob("*.adasr")) == []


def test_a_place_that_cannot_be_written(folder: Path, tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(DatasetError, match=r"cannot be written.*another place.*cache_dir"):
        opened(folder, cache_dir=str(tmp_path / "file" / "below"))


def _build_slowly(folder: str) -> None:
    put = pixel_file.PixelWriter.put

    def slow(self, index, image):
        put(self, index, image)
        time.sleep(30 if index >= 3 else 0)

    pixel_file.PixelWriter.put = slow  # type: ignore[method-assign]
    ImageFolder(folder, 16, 4, cache="disk").open_cache()


def test_a_kill_in_the_middle_leaves_nothing_that_looks_complete(folder: Path):
    process = multiprocessing.get_context("fork").Process(target=_build_slowly, args=[str(folder)])
    process.start()
    place = folder / ".adasr_cache"
    until = time.monotonic() + 30
    while not list(place.glob("*-*.adasr")) and not list(place.glob(".gt-*-*.adasr")):
        assert time.monotonic() < until
        time.sleep(0.05)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert list(place.glob(".gt-*-*.adasr")) and not list(place.glob("gt-*.adasr"))
    opened(folder)
    assert list(place.glob("gt-*.adasr")) and not list(place.glob(".gt-*-*.adasr"))


def _open(folder: str, built: list) -> None:
    told: list[str] = []
    ImageFolder(folder, 16, 4, cache="disk").open_cache(tell=told.append)
    built.append("\n".join(told))


def test_runs_at_the_same_time_build_it_once(folder: Path, monkeypatch):
    path = reader(ImageFolder(str(folder), 16, 4, cache="disk")).path
    path.parent.mkdir()
    context = multiprocessing.get_context("fork")
    with context.Manager() as manager, FileLock(path.with_name(f".{path.name}.lock")) as lock:
        built = manager.list()
        runs = [context.Process(target=_open, args=[str(folder), built]) for _ in range(3)]
        for run in runs:
            run.start()
        time.sleep(0.3)
        assert not path.exists() and len(built) == 0
        lock.release()
        for run in runs:
            run.join()
        assert sum("MiB" in told for told in built) == 1


def test_holds_eight_bits_of_every_image(mixed: Path):
    dataset, _ = opened(mixed)
    read = reader(dataset)
    for index, path in enumerate(dataset.files):
        if path.name == "broken.png":
            continue
        pixels = np.asarray(read(index))
        assert pixels.dtype == np.uint8
        whole = read_image(path)
        assert pixels.shape == (*whole.shape[:2], 3)
