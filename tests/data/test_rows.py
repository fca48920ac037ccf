"""Rows of files equal the files' images; files written by rows equal those written whole."""

from __future__ import annotations

import errno
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from PIL import Image

from adasr.data import rows as rows_package
from adasr.data.metadata import Metadata
from adasr.data.pictures import read_picture, write_picture
from adasr.data.rows import ArrayRows, ArraySink, open_rows, open_sink
from adasr.data.rows import sink as sink_module
from adasr.data.rows import source as source_module
from adasr.errors import ImageReadError, ImageWriteError

RNG = np.random.default_rng(5)
META = Metadata(xmp=b"<x/>", dpi=(300.0, 300.0))


def noise(channels: int, dtype: type) -> np.ndarray:
    values = RNG.integers(0, 256 if dtype == np.uint8 else 65536, (301, 203, channels))
    return values.astype(dtype)


def read_all(path, step: int = 37, overlap: int = 11) -> np.ndarray:
    with open_rows(path) as source:
        height = source.shape[0]
        bands = []
        for first in range(0, height, step):
            start, end = max(0, first - overlap), min(height, first + step + overlap)
            band = source.rows(start, end)
            assert band.shape == (end - start, *source.shape[1:]) and band.dtype == source.dtype
            bands.append(band[first - start : first - start + step].copy())
        return np.concatenate(bands)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize(
    ("suffix", "dtype"),
    [
        (".png", np.uint8),
        (".png", np.uint16),
        (".tif", np.uint8),
        (".tif", np.uint16),
        (".tif", np.float32),
        (".webp", np.uint8),
        (".bmp", np.uint8),
    ],
)
def test_written_by_rows_and_read_by_rows(tmp_path, channels, suffix, dtype, capfd):
    image = noise(channels, dtype)
    by_rows, whole = tmp_path / f"[rows]{suffix}", tmp_path / f"whole{suffix}"
    with open_sink(by_rows, image.shape, dtype, META) as sink:
        for first in range(0, len(image), 41):
            sink.write(image[first : first + 41])
    write_picture(whole, image, META)
    expected, metadata = read_picture(whole)
    back, again = read_picture(by_rows)
    np.testing.assert_array_equal(back, expected)
    assert again == metadata
    np.testing.assert_array_equal(read_all(by_rows), expected)
    with open_rows(by_rows) as source:
        assert source.metadata.xmp == metadata.xmp
        assert source.metadata.dpi == pytest.approx(metadata.dpi)
    assert capfd.readouterr() == ("", "")


def test_rows_of_every_kind_equal_the_image(tmp_path, photo):
    picture = Image.fromarray(photo)
    kinds = {
        "palette.png": (picture.quantize(16), {}),
        "transparent.png": (picture.quantize(16), {"transparency": 3}),
        "bits.png": (picture.convert("1"), {}),
        "bits.tif": (picture.convert("1"), {}),
        "gray.jpg": (picture.convert("L"), {}),
        "colour.jpg": (picture, {"quality": 90}),
        "progressive.jpg": (picture, {"progressive": True}),
        "inks.jpg": (picture.convert("CMYK"), {}),
        "inks.tif": (picture.convert("CMYK"), {}),
        "turned.jpg": (picture, {"exif": exif(6)}),
        "turned.tif": (picture, {"exif": exif(8)}),
        "lab.tif": (Image.frombytes("LAB", picture.size, photo.tobytes()), {}),
        "a.gif": (picture.quantize(16), {}),
        "a.jp2": (picture, {}),
        "a.avif": (picture, {}),
        "jpeg.tif": (picture, {"compression": "jpeg"}),
        "lzw.tif": (picture, {"compression": "tiff_lzw"}),
    }
    for name, (image, options) in kinds.items():
        image.save(tmp_path / name, **options)
        np.testing.assert_array_equal(
            read_all(tmp_path / name), read_picture(tmp_path / name)[0], err_msg=name
        )


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("order", ["<", ">"])
def test_big_tiffs_of_both_byte_orders(tmp_path, channels, dtype, order):
    """Pillow takes big-endian BigTIFF for something else."""
    pytest.importorskip("pyvips")
    tifffile = pytest.importorskip("tifffile")
    image = noise(channels, np.uint16)
    image = (image / np.float32(65535)) if dtype is np.float32 else image.astype(dtype)
    alpha = {"extrasamples": ["unassalpha"]} if channels in (2, 4) else {}
    kind = "minisblack" if channels <= 2 else "rgb"
    planes = {"planarconfig": "contig"} if channels > 1 else {}
    tifffile.imwrite(
        tmp_path / "a.tif",
        image if channels > 1 else image[..., 0],
        **{"photometric": kind, "bigtiff": True, "byteorder": order, **planes, **alpha},
    )
    if not (channels == 2 and dtype is np.float32):
        np.testing.assert_array_equal(read_picture(tmp_path / "a.tif")[0], image)
    np.testing.assert_array_equal(read_all(tmp_path / "a.tif"), image)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_colours_multiplied_by_alpha_are_divided_again(tmp_path, dtype):
    pytest.importorskip("pyvips")
    tifffile = pytest.importorskip("tifffile")
    most = 1.0 if dtype is np.float32 else np.iinfo(dtype).max
    wanted = RNG.uniform(0.2, 0.8, (60, 50, 4))
    stored = (wanted * np.dstack([wanted[..., 3:]] * 3 + [np.ones((60, 50, 1))]) * most).astype(
        dtype
    )
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric="rgb", extrasamples=["assocalpha"])
    for image in (read_picture(tmp_path / "a.tif")[0], read_all(tmp_path / "a.tif")):
        np.testing.assert_allclose(image / most, wanted, atol=10 / 255 if most == 255 else 1e-3)


def test_gray_of_16_bits_whose_zero_is_white(tmp_path):
    tifffile = pytest.importorskip("tifffile")
    image = noise(1, np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", image[..., 0], photometric="miniswhite")
    np.testing.assert_array_equal(read_picture(tmp_path / "a.tif")[0], 65535 - image)
    np.testing.assert_array_equal(read_all(tmp_path / "a.tif"), 65535 - image)


def test_inks_of_16_bits_are_refused_in_words(tmp_path):
    tifffile = pytest.importorskip("tifffile")
    tifffile.imwrite(tmp_path / "a.tif", noise(4, np.uint16), photometric="separated")
    with pytest.raises(ImageReadError, match="unsupported"):
        read_all(tmp_path / "a.tif")


def exif(orientation: int) -> Image.Exif:
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags


def test_where_memory_lacks(tmp_path, photo, monkeypatch):
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


def test_without_pyvips(tmp_path, photo, monkeypatch):
    path = tmp_path / "a.png"
    Image.fromarray(photo).save(path)
    monkeypatch.setattr(source_module, "vips", lambda: None)
    np.testing.assert_array_equal(read_all(path), photo)
    monkeypatch.setattr(source_module, "free_memory", lambda: 1000)
    with pytest.raises(ImageReadError, match=r"pip install pyvips"):
        open_rows(path)


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif"])
def test_cut_off_files_are_refused(tmp_path, photo, suffix, capfd):
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


def test_rows_are_asked_for_in_order(tmp_path, photo):
    Image.fromarray(photo).save(tmp_path / "a.png")
    for source in (open_rows(tmp_path / "a.png"), ArrayRows(photo)):
        with source:
            np.testing.assert_array_equal(source.rows(5, 20), photo[5:20])
            np.testing.assert_array_equal(source.rows(5, 9), photo[5:9])
            np.testing.assert_array_equal(source.rows(30, 37), photo[30:37])
            with pytest.raises(ValueError, match="rows 30 to 40"):
                source.rows(30, 40)


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


def test_array_sink(photo):
    with ArraySink(photo.shape, np.uint8) as sink:
        sink.write(photo[:20])
        sink.write(photo[20:])
    np.testing.assert_array_equal(sink.image, photo)


def test_a_full_disk_is_told_before_and_in_between(tmp_path):
    with pytest.raises(ImageWriteError, match="needs at least") as caught:
        open_sink(tmp_path / "new" / "a.tif", (10**6, 10**7, 3), np.uint8)
    assert isinstance(caught.value.__cause__, OSError)
    assert caught.value.__cause__.errno == errno.ENOSPC
    with pytest.raises(ImageWriteError, match="cannot be written"):
        open_sink("/dev/full/a.png", (2, 2, 3), np.uint8).__enter__()


def test_a_disk_that_fills_up(tmp_path, monkeypatch):
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


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (500, 1), (3, 2)])
@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_small_sizes(tmp_path, suffix, size):
    for channels in (1, 2, 3, 4):
        image = RNG.integers(0, 65536, (*size, channels)).astype(np.uint16)
        with open_sink(tmp_path / f"a.{suffix}", image.shape, np.uint16) as sink:
            for row in image:
                sink.write(row[None])
        np.testing.assert_array_equal(read_picture(tmp_path / f"a.{suffix}")[0], image)
        np.testing.assert_array_equal(read_all(tmp_path / f"a.{suffix}", 1, 1), image)


def test_bigtiff(tmp_path, monkeypatch):
    tifffile = pytest.importorskip("tifffile")
    monkeypatch.setattr("adasr.data.tiff_writing._LARGEST_CLASSIC", 1000)
    image = noise(3, np.uint16)
    path = tmp_path / "a.tif"
    with open_sink(path, image.shape, np.uint16, Metadata(exif=exif(1).tobytes()[6:])) as sink:
        sink.write(image)
    with tifffile.TiffFile(path) as file:
        assert file.is_bigtiff
        np.testing.assert_array_equal(file.asarray(), image)
    np.testing.assert_array_equal(read_all(path), image)


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
