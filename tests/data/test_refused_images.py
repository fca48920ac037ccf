"""What is no image, damaged, endless or absurdly large is refused by name, and at once."""

from __future__ import annotations

import io
import os
import struct
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from adasr.data.images import image_area, image_shape, image_size, read_image
from adasr.data.pictures import read_picture
from adasr.data.png_writing import chunk
from adasr.data.rows import open_rows
from adasr.errors import ImageReadError

RNG = np.random.default_rng(1)


def bad_files() -> dict[str, bytes]:
    return {
        "empty": b"",
        "text": b"not an image\n" * 10,
        "signature only": b"\x89PNG\r\n\x1a\n",
        "postscript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n",
        "svg": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        "zeros": bytes(1000),
        "tiff magic": b"II*\0" + bytes(100),
        "html": b"<html>404</html>",
    }


@pytest.mark.parametrize("kind", bad_files())
def test_no_image_is_refused_by_name(tmp_path, kind, capfd):
    path = tmp_path / "bad.png"
    path.write_bytes(bad_files()[kind])
    for function in (read_image, image_shape):
        with pytest.raises(ImageReadError, match=r"bad\.png: ") as caught:
            function(path)
        assert str(caught.value).endswith(".")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("pixels", "problem"),
    [
        (np.full((4, 5), np.nan, np.float32), "not finite"),
        (np.full((4, 5), 65536, np.int32), "outside 0 to 65535"),
        (np.full((4, 5), -1, np.int16), "outside 0 to 65535"),
    ],
)
def test_values_that_cannot_be_used_are_not_called_damage(tmp_path, pixels, problem):
    path = tmp_path / "values.tif"
    cv2.imwrite(str(path), pixels)
    with pytest.raises(ImageReadError, match=problem) as caught:
        read_image(path)
    assert str(caught.value).count("values.tif") == 1 and "damaged" not in str(caught.value)


def test_missing_folder_and_forbidden(tmp_path):
    for function in (read_image, image_shape):
        with pytest.raises(ImageReadError, match="does not exist"):
            function(tmp_path / "no.png")
        with pytest.raises(ImageReadError, match="folder"):
            function(tmp_path)


ENCODERS = {
    "png": {"format": "PNG"},
    "jpeg": {"format": "JPEG", "quality": 90},
    "progressive": {"format": "JPEG", "quality": 90, "progressive": True},
    "webp": {"format": "WEBP", "lossless": True},
    "bmp": {"format": "BMP"},
    "tiff": {"format": "TIFF", "compression": "tiff_lzw"},
    "gif": {"format": "GIF"},
    "jp2": {"format": "JPEG2000"},
}


@pytest.mark.parametrize("kind", ENCODERS)
def test_cut_off_file_is_refused_or_whole(tmp_path, photo, kind, capfd):
    """A file cut off anywhere never gives a partial image, and nothing is printed."""
    buffer = io.BytesIO()
    Image.fromarray(photo).save(buffer, **ENCODERS[kind])
    data = buffer.getvalue()
    path = tmp_path / "cut.png"
    path.write_bytes(data)
    whole = read_image(path)
    refused = 0
    for length in [*range(1, len(data), max(1, len(data) // 60)), len(data) - 2, len(data) - 1]:
        path.write_bytes(data[:length])
        try:
            np.testing.assert_array_equal(read_image(path), whole)
        except ImageReadError:
            refused += 1
    assert refused > 40
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("kind", ["png", "jpeg", "progressive", "tiff"])
def test_zero_filled_tail_is_refused(tmp_path, photo, kind):
    """What a broken download into a file of the full length leaves."""
    buffer = io.BytesIO()
    Image.fromarray(photo).save(buffer, **ENCODERS[kind])
    data = buffer.getvalue()
    path = tmp_path / "tail.png"
    path.write_bytes(data[: len(data) // 2] + bytes(len(data) - len(data) // 2))
    with pytest.raises(ImageReadError):
        read_image(path)


@pytest.mark.parametrize("kind", ["png16", "tif16", "tif32f"])
def test_cut_off_deep_file_is_refused(tmp_path, kind, capfd):
    pixels = RNG.integers(0, 65536, (21, 23, 3), dtype=np.uint16)
    image = pixels.astype(np.float32) / 65535 if kind == "tif32f" else pixels
    data = cv2.imencode("." + kind[:3], image)[1].tobytes()
    path = tmp_path / "cut.tif"
    for length in range(10, len(data) - 20, len(data) // 20):
        path.write_bytes(data[:length])
        with pytest.raises(ImageReadError):
            read_image(path)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("kind", ENCODERS)
def test_damaged_bytes_never_escape_as_another_error(tmp_path, photo, kind, capfd):
    buffer = io.BytesIO()
    Image.fromarray(photo).save(buffer, **ENCODERS[kind])
    rng, path = np.random.default_rng(2), tmp_path / "damaged.png"
    for _ in range(60):
        data = np.frombuffer(buffer.getvalue(), np.uint8).copy()
        data[rng.integers(0, min(len(data), 300), 4)] = rng.integers(0, 256, 4)
        path.write_bytes(data.tobytes())
        for function in (read_image, image_shape):
            try:
                function(path)
            except ImageReadError as error:
                assert error.path == path
    if kind != "tiff":  # the libtiff in Pillow prints about a damaged LZW stream
        assert capfd.readouterr() == ("", "")


def bomb(path: Path, side: int) -> Path:
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + head + chunk(b"IEND", b""))
    return path


@pytest.mark.parametrize("function", [read_image, image_shape, image_size, read_picture, open_rows])
def test_absurd_size_is_refused(tmp_path, function):
    path = bomb(tmp_path / "bomb.png", 60000)
    with pytest.raises(ImageReadError, match=r"3600000000 pixels \(60000x60000\).*--max-pixels"):
        function(path)


@pytest.mark.parametrize("function", [read_image, image_shape, read_picture, open_rows])
def test_the_limit_of_pixels_can_be_set(tmp_path, photo, function):
    path = tmp_path / "a.png"
    Image.fromarray(photo).save(path)
    function(path, max_pixels=37 * 53)
    with pytest.raises(ImageReadError, match="the limit is 1960"):
        function(path, max_pixels=37 * 53 - 1)
    deep = tmp_path / "a.tif"
    cv2.imwrite(str(deep), photo.astype(np.float32))
    function(deep, max_pixels=37 * 53)
    with pytest.raises(ImageReadError, match="the limit is 1960"):
        function(deep, max_pixels=37 * 53 - 1)
    if function is image_shape:
        assert function(bomb(tmp_path / "b.png", 60000), max_pixels=None) == (60000, 60000, 3)


@pytest.mark.parametrize("function", [read_image, image_shape, image_area, read_picture, open_rows])
def test_devices_and_pipes_are_refused_at_once(tmp_path, function):
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "link.png").symlink_to("/dev/zero")
    for path in ("/dev/zero", "/dev/stdin", tmp_path / "pipe.png", tmp_path / "link.png"):
        if Path(path).is_file():  # standard input may be one
            continue
        with pytest.raises(ImageReadError, match="no regular file"):
            function(path)
    with pytest.raises(ImageReadError, match="cannot be read"):
        function("a\0.png")
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(ImageReadError, match="is a folder"):
        function(tmp_path / "folder.png")


def test_a_file_larger_than_memory_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    with path.open("wb") as file:
        file.truncate(2**29)
    monkeypatch.setattr("adasr.data.pictures.free_memory", lambda: 2**28)
    with pytest.raises(ImageReadError, match=r"does not fit in memory \(0\.5 GiB\)"):
        read_image(path)


def test_heic_without_its_codec_names_it(tmp_path, monkeypatch):
    path = tmp_path / "a.heic"
    path.write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100))
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    monkeypatch.delitem(Image.OPEN, "HEIF", raising=False)
    for function in (read_image, image_shape, open_rows):
        with pytest.raises(ImageReadError, match="pip install pillow-heif"):
            function(path)
