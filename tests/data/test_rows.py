"""Rows of files equal the files' images; files written by rows equal those written whole."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from adasr.data.metadata import Metadata
from adasr.data.pictures import read_picture, write_picture
from adasr.data.rows import ArrayRows, ArraySink, open_rows, open_sink
from adasr.errors import ImageReadError

RNG = np.random.default_rng(5)
META = Metadata(xmp=b"<x/>", dpi=(300.0, 300.0))


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
def test_written_by_rows_and_read_by_rows(
    tmp_path, channels, suffix, dtype, capfd, noise, read_all
):
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


def test_rows_of_every_kind_equal_the_image(tmp_path, photo, read_all, exif):
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
def test_big_tiffs_of_both_byte_orders(tmp_path, channels, dtype, order, noise, read_all):
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
def test_colours_multiplied_by_alpha_are_divided_again(tmp_path, dtype, read_all):
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


def test_gray_of_16_bits_whose_zero_is_white(tmp_path, noise, read_all):
    tifffile = pytest.importorskip("tifffile")
    image = noise(1, np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", image[..., 0], photometric="miniswhite")
    np.testing.assert_array_equal(read_picture(tmp_path / "a.tif")[0], 65535 - image)
    np.testing.assert_array_equal(read_all(tmp_path / "a.tif"), 65535 - image)


def test_inks_of_16_bits_are_refused_in_words(tmp_path, noise, read_all):
    tifffile = pytest.importorskip("tifffile")
    tifffile.imwrite(tmp_path / "a.tif", noise(4, np.uint16), photometric="separated")
    with pytest.raises(ImageReadError, match="unsupported"):
        read_all(tmp_path / "a.tif")


def test_rows_are_asked_for_in_order(tmp_path, photo):
    Image.fromarray(photo).save(tmp_path / "a.png")
    for source in (open_rows(tmp_path / "a.png"), ArrayRows(photo)):
        with source:
            np.testing.assert_array_equal(source.rows(5, 20), photo[5:20])
            np.testing.assert_array_equal(source.rows(5, 9), photo[5:9])
            np.testing.assert_array_equal(source.rows(30, 37), photo[30:37])
            with pytest.raises(ValueError, match="rows 30 to 40"):
                source.rows(30, 40)


def test_array_sink(photo):
    with ArraySink(photo.shape, np.uint8) as sink:
        sink.write(photo[:20])
        sink.write(photo[20:])
    np.testing.assert_array_equal(sink.image, photo)


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (500, 1), (3, 2)])
@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_small_sizes(tmp_path, suffix, size, read_all):
    for channels in (1, 2, 3, 4):
        image = RNG.integers(0, 65536, (*size, channels)).astype(np.uint16)
        with open_sink(tmp_path / f"a.{suffix}", image.shape, np.uint16) as sink:
            for row in image:
                sink.write(row[None])
        np.testing.assert_array_equal(read_picture(tmp_path / f"a.{suffix}")[0], image)
        np.testing.assert_array_equal(read_all(tmp_path / f"a.{suffix}", 1, 1), image)


def test_bigtiff(tmp_path, monkeypatch, noise, read_all, exif):
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
