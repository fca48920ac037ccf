"""Rows where memory, packages, disks or files fail: a clear message, and nothing half written."""

from __future__ import annotations

import errno
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from PIL import Image

from adasr.data import rows as rows_package
from adasr.data.pictures import read_picture
from adasr.data.rows import open_rows, open_sink
from adasr.data.rows import sink as sink_module
from adasr.data.rows import source as source_module
from adasr.errors import ImageReadError, ImageWriteError


def test_where_memory_lacks(tmp_path, photo, monkeypatch, exif):
    """Turned images come as they are stored and keep their tag; what must be whole is refused."""
    pytest.importorskip("pyvips")
    turned, progressive = tmp_path / "turned.jpg", tmp_path / "progressive.jpg"
    Image.fromarray(photo).save(turned, exif=exif(6))
    Image.fromarray(photo).save(progressive, progressive=True)
    monkeypatch.setattr(source_module, "free_memory", lambda: 1000)
    with open_rows(turned) as source, Image.open(turned) as stored:
        assert source.shape == photo.shape
        np.testing.assert_array_equal(source.rows(0, 37), np.asarray(stored))
        with open_sink(tmp_path / "out.png", source.shape, source.dtype, source.metadata) as sink:
            sink.write(source.rows(0, 37))
    np.testing.assert_array_equal(
        read_picture(tmp_path / "out.png")[0], read_picture(turned)[0], strict=True
    )
    with pytest.raises(ImageReadError, match=r"progressive\.jpg: is an interlaced JPEG"):
        open_rows(progressive)
    monkeypatch.setattr(sink_module, "free_memory", lambda: 1000)
    with pytest.raises(ImageWriteError, match=r"which '\.jpg' needs"):
        open_sink(tmp_path / "a.jpg", photo.shape, np.uint8)


def test_without_pyvips(tmp_path, photo, monkeypatch, read_all):
    path = tmp_path / "a.png"
    Image.fromarray(photo).save(path)
    monkeypatch.setattr(source_module, "vips", lambda: None)
    np.testing.assert_array_equal(read_all(path), photo)
    monkeypatch.setattr(source_module, "free_memory", lambda: 1000)
    with pytest.raises(ImageReadError, match=r"pip install pyvips"):
        open_rows(path)


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif"])
def test_cut_off_files_are_refused(tmp_path, photo, suffix, capfd, read_all):
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(np.tile(photo, (5, 4, 1))).save(
        path, **({"compression": "tiff_deflate"} if suffix == "tif" else {})
    )
    data = path.read_bytes()
    for length in (1, 30, len(data) // 3, len(data) * 9 // 10):
        for tail in (b"", bytes(len(data) - length)):
            path.write_bytes(data[:length] + tail)
            with pytest.raises(ImageReadError):
                read_all(path)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("suffix", ["png", "tif", "jpg"])
def test_nothing_is_left_of_a_sink_that_fails(tmp_path, photo, suffix):
    path = tmp_path / f"a.{suffix}"
    with pytest.raises(KeyboardInterrupt), open_sink(path, photo.shape, np.uint8) as sink:
        sink.write(photo[:5])
        raise KeyboardInterrupt
    with pytest.raises(ValueError, match="only 5 of 37"), open_sink(path, photo.shape, "u1") as s:
        s.write(photo[:5])
    with pytest.raises(ValueError, match="after 0 rows"), open_sink(path, photo.shape, "u1") as s:
        s.write(photo[:5, 1:])
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_told_before_and_in_between(tmp_path):
    with pytest.raises(ImageWriteError, match="needs at least") as caught:
        open_sink(tmp_path / "new" / "a.tif", (10**6, 10**7, 3), np.uint8)
    assert isinstance(caught.value.__cause__, OSError)
    assert caught.value.__cause__.errno == errno.ENOSPC
    with pytest.raises(ImageWriteError, match="cannot be written"):
        open_sink("/dev/full/a.png", (2, 2, 3), np.uint8).__enter__()


def test_a_disk_that_fills_up(tmp_path, monkeypatch, noise):
    image = noise(3, np.uint8)

    class Full(rows_package.sink.PngWriter):
        def finish(self) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setitem(sink_module._WRITERS, ".png", Full)
    refused = pytest.raises(ImageWriteError, match="No space left")
    with refused as caught, open_sink(tmp_path / "a.png", image.shape, np.uint8) as sink:
        sink.write(image)
    assert caught.value.__cause__.errno == errno.ENOSPC  # pyright: ignore
    assert list(tmp_path.iterdir()) == []


FULL = """
    import resource, sys
    import numpy as np
    from adasr.data.pictures import write_picture
    from adasr.data.rows import open_sink
    from adasr.errors import ImageWriteError

    path = sys.argv[1]
    image = np.random.default_rng(0).integers(0, 256, (400, 400, 3), dtype=np.uint8)
    write_picture(path, image[:9])
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
    for by_rows in (False, True):
        try:
            if by_rows:
                with open_sink(path, image.shape, np.uint8) as sink:
                    for first in range(0, 400, 100):
                        sink.write(image[first : first + 100])
            else:
                write_picture(path, image)
        except ImageWriteError as error:
            assert "cannot be written" in str(error) and isinstance(error.__cause__, OSError)
        else:
            raise AssertionError("written")
"""


@pytest.mark.parametrize("suffix", ["png", "tif", "bmp"])
def test_what_the_system_refuses_leaves_the_old_file(tmp_path, suffix):
    """A file as large as the system allows, as on a disk that is full for real."""
    path = tmp_path / f"a.{suffix}"
    subprocess.run([sys.executable, "-c", textwrap.dedent(FULL), str(path)], check=True)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    assert read_picture(path)[0].shape == (9, 400, 3)


SCRIPT = """
    import resource, sys
    import numpy as np
    from adasr.data.rows import open_rows, open_sink

    path, side, step = sys.argv[1], int(sys.argv[2]), 256
    base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    rng = np.random.default_rng(0)
    band = rng.integers(0, 40, (step, side, 3), dtype=np.uint8)
    bands = [(first, min(side, first + step)) for first in range(0, side, step)]
    with open_sink(path, (side, side, 3), np.uint8) as sink:
        for number, (first, end) in enumerate(bands):
            sink.write(band[: end - first] + np.uint8(number))
    with open_rows(path) as source:
        assert source.shape == (side, side, 3)
        for number, (first, end) in enumerate(bands):
            assert (source.rows(first, end) == band[: end - first] + np.uint8(number)).all()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(base // 1024, peak // 1024)
"""


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_memory_does_not_grow_with_the_image(tmp_path, suffix):
    pytest.importorskip("pyvips")
    command = [sys.executable, "-c", textwrap.dedent(SCRIPT), str(tmp_path / f"a.{suffix}"), "8000"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    base, peak = map(int, done.stdout.split())
    assert peak - base < 100  # MiB; the pixels are 183
