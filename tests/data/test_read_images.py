"""Any image file a user has is read as it was meant, or refused with its name."""

from __future__ import annotations

import struct
import warnings
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage.io
from PIL import Image, ImageOps

from adasr.data import vips
from adasr.data.images import image_shape, image_size, read_image, read_rgb
from adasr.errors import ImageReadError

RNG = np.random.default_rng(1)


def png_bytes(depth: int, colour: int, pixels: np.ndarray, before: bytes = b"", after: bytes = b""):
    """A PNG written chunk by chunk: kinds that no encoder at hand writes."""
    height, width = pixels.shape[:2]
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    body = before + chunk(b"IDAT", zlib.compress(rows)) + after
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + body + chunk(b"IEND", b"")


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def exif(orientation: int) -> Image.Exif:
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags


def check(path: Path, expected: np.ndarray) -> None:
    image = read_image(path)
    assert image.dtype == expected.dtype
    np.testing.assert_array_equal(image, expected)
    assert image.flags.writeable and image.flags.c_contiguous
    assert image_shape(path) == image.shape and image_size(path) == image.shape[:2]


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif", "jpg", "webp", "ppm", "jp2"])
def test_colour_equals_pillow_and_opencv(tmp_path, photo, suffix):
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(photo).save(path)
    check(path, np.asarray(Image.open(path).convert("RGB")))
    np.testing.assert_array_equal(read_image(path), cv2.imread(str(path))[..., ::-1])


def test_real_files_equal_opencv_and_skimage(shared, capfd):
    for path in sorted((shared / "data" / "real").iterdir()):
        other = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        other = other[..., None] if other.ndim == 2 else other
        order = {1: [0], 3: [2, 1, 0], 4: [2, 1, 0, 3]}[other.shape[2]]
        check(path, other[..., order])
        if other.dtype == np.uint8:
            np.testing.assert_array_equal(read_image(path).squeeze(), skimage.io.imread(path))
    for path in sorted((shared / "data" / "BSDS400").iterdir())[:10]:
        check(path, skimage.io.imread(path))


def test_gray_stays_one_channel(tmp_path, photo):
    path = tmp_path / "a.png"
    Image.fromarray(photo[..., 0]).save(path)
    check(path, photo[..., :1])
    np.testing.assert_array_equal(read_rgb(path), np.repeat(photo[..., :1], 3, axis=2))


def test_one_bit_becomes_gray_of_0_and_255(tmp_path, photo):
    path = tmp_path / "a.png"
    bits = photo[..., 0] > 128
    Image.fromarray(bits).save(path)
    check(path, (bits * np.uint8(255))[..., None])


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_gray_with_alpha_stays_gray(tmp_path, photo, suffix):
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(photo[..., :2], "LA").save(path)
    check(path, photo[..., :2])
    np.testing.assert_array_equal(read_rgb(path), photo[..., [0, 0, 0]])


def test_transparent_gray_becomes_alpha(tmp_path, photo):
    path = tmp_path / "a.png"
    Image.fromarray(photo[..., 0]).save(path, transparency=int(photo[3, 4, 0]))
    alpha = np.where(photo[..., 0] == photo[3, 4, 0], 0, 255)
    check(path, np.dstack([photo[..., 0], alpha]).astype(np.uint8))


@pytest.mark.parametrize("transparent", [False, True])
def test_palette_is_expanded(tmp_path, photo, transparent):
    path = tmp_path / "a.png"
    image = Image.fromarray(photo).quantize(16)
    image.save(path, **({"transparency": 3} if transparent else {}))
    check(path, np.asarray(Image.open(path).convert("RGBA" if transparent else "RGB")))
    if transparent:
        assert set(np.unique(read_image(path)[..., 3])) == {0, 255}


def test_transparent_colour_becomes_alpha(tmp_path, photo):
    path = tmp_path / "a.png"
    Image.fromarray(photo).save(path, transparency=tuple(int(v) for v in photo[3, 4]))
    image = read_image(path)
    assert image.shape[2] == 4 == image_shape(path)[2]
    assert image[3, 4, 3] == 0 and (image[..., 3] == 255).sum() > 1000


def test_cmyk_becomes_rgb(tmp_path, photo):
    path = tmp_path / "a.jpg"
    Image.fromarray(photo).convert("CMYK").save(path, quality=100, subsampling=0)
    assert image_shape(path) == read_image(path).shape == photo.shape
    assert np.abs(read_image(path).astype(int) - photo).mean() < 2


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_sixteen_bits_are_kept(tmp_path, channels, suffix, capfd):
    pixels = RNG.integers(0, 65536, (11, 13, channels), dtype=np.uint16)
    order = {1: [0], 3: [2, 1, 0], 4: [2, 1, 0, 3]}[channels]
    path = tmp_path / f"a.{suffix}"
    cv2.imwrite(str(path), pixels[..., order])
    capfd.readouterr()
    check(path, pixels)
    assert capfd.readouterr() == ("", "")


def test_sixteen_bit_gray_with_alpha(tmp_path):
    pixels = RNG.integers(0, 65536, (11, 13, 2), dtype=np.uint16)
    path = tmp_path / "a.png"
    path.write_bytes(png_bytes(16, 4, pixels.astype(">u2")))
    check(path, pixels)


def test_float_tiff_keeps_its_values(tmp_path):
    pixels = RNG.random((11, 13, 3), dtype=np.float32) * 2 - 0.5
    for channels in (1, 3):
        path = tmp_path / f"{channels}.tif"
        cv2.imwrite(str(path), pixels[..., :channels][..., ::-1])
        check(path, pixels[..., :channels])
    pixels[0, 0] = np.nan
    cv2.imwrite(str(tmp_path / "nan.tif"), pixels)
    with pytest.raises(ImageReadError, match="not finite"):
        read_image(tmp_path / "nan.tif")


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_equals_pillow(tmp_path, photo, orientation):
    for suffix in ("jpg", "png", "webp", "tif"):
        path = tmp_path / f"a.{suffix}"
        Image.fromarray(photo).save(path, exif=exif(orientation))
        with Image.open(path) as image:
            check(path, np.asarray(ImageOps.exif_transpose(image)))


@pytest.mark.parametrize("late", [False, True])
def test_orientation_of_sixteen_bit_png(tmp_path, late):
    pixels = RNG.integers(0, 65536, (11, 13, 3), dtype=np.uint16)
    tag = chunk(b"eXIf", exif(6).tobytes().removeprefix(b"Exif\0\0"))
    place = {"after" if late else "before": tag}
    path = tmp_path / "a.png"
    path.write_bytes(png_bytes(16, 2, pixels.astype(">u2"), **place))
    check(path, np.rot90(pixels, -1))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_of_sixteen_bit_tiff(tmp_path, orientation):
    tifffile = pytest.importorskip("tifffile")
    pixels = RNG.integers(0, 65536, (11, 13, 3), dtype=np.uint16)
    deep, flat = tmp_path / "deep.tif", tmp_path / "flat.tif"
    tag = [(274, 3, 1, orientation, True)]
    tifffile.imwrite(deep, pixels, photometric="rgb", extratags=tag)
    tifffile.imwrite(flat, (pixels >> 8).astype(np.uint8), photometric="rgb", extratags=tag)
    with Image.open(flat) as image:
        check(flat, np.asarray(ImageOps.exif_transpose(image)))
    np.testing.assert_array_equal(read_image(deep) >> 8, read_image(flat))
    assert image_shape(deep) == read_image(deep).shape


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_separate_planes_are_not_mixed_up(tmp_path, dtype, monkeypatch):
    """Pillow and OpenCV would; without libvips they are refused."""
    tifffile = pytest.importorskip("tifffile")
    planes = RNG.integers(0, 65536, (3, 11, 13)).astype(dtype)
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, planes, photometric="rgb", planarconfig="separate")
    if vips.vips() is not None:
        np.testing.assert_array_equal(read_image(path), planes.transpose(1, 2, 0))
    monkeypatch.setattr(vips, "vips", lambda: None)
    with pytest.raises(ImageReadError, match="separate colour planes"):
        read_image(path)


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_tiff_of_tifffile(tmp_path, order, dtype, channels, compression):
    tifffile = pytest.importorskip("tifffile")
    if dtype != np.uint8 and channels == 2 and vips.vips() is None:
        pytest.skip("pyvips is not installed")
    pixels = RNG.integers(0, 65536, (11, 13, channels)).astype(dtype)
    colour, extra = ("minisblack", 1) if channels < 3 else ("rgb", 3)
    path = tmp_path / "a.tif"
    alpha = ["unassalpha"] if channels > extra else None
    tifffile.imwrite(
        path,
        pixels if channels > 1 else pixels[..., 0],
        photometric=colour,
        byteorder=order,
        compression=compression,
        planarconfig="contig" if channels > 1 else None,
        extrasamples=alpha,
    )
    check(path, pixels)


@pytest.mark.parametrize("suffix", ["gif", "png", "webp", "tif"])
def test_first_image_of_an_animation(tmp_path, suffix):
    frames = [Image.new("RGB", (9, 7), colour) for colour in ("red", "blue")]
    path = tmp_path / f"a.{suffix}"
    options = {"lossless": True} if suffix == "webp" else {}
    frames[0].save(path, save_all=True, append_images=frames[1:], **options)
    assert read_rgb(path).shape == (7, 9, 3)
    assert (read_rgb(path) == (255, 0, 0)).all()
    assert image_shape(path) == read_image(path).shape


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "bmp"])
def test_one_pixel(tmp_path, suffix):
    Image.new("RGB", (1, 1), (7, 7, 7)).save(tmp_path / f"a.{suffix}")
    assert read_image(tmp_path / f"a.{suffix}").shape == (1, 1, 3)


def test_unicode_and_odd_names(tmp_path, photo):
    for name in ("日本 語.png", "ünï%20#1.png", "a.b.c.PNG", "-x.png"):
        Image.fromarray(photo).save(tmp_path / name, format="PNG")
        check(tmp_path / name, photo)


def test_wrong_suffix_does_not_matter(tmp_path, photo):
    Image.fromarray(photo).save(tmp_path / "a.jpg", format="PNG")
    check(tmp_path / "a.jpg", photo)


def test_large_images_are_read_without_a_warning(tmp_path, monkeypatch):
    """Pillow warns of, then refuses, images that super-resolution makes every day."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    save = Image.new("RGB", (40, 40))
    save.save(tmp_path / "a.png")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_image(tmp_path / "a.png").shape == (40, 40, 3)
        assert image_size(tmp_path / "a.png") == (40, 40)
    assert Image.MAX_IMAGE_PIXELS == 100


def test_avif(tmp_path, photo):
    path = tmp_path / "a.jpg"
    for pixels in (photo, np.dstack([photo, photo[..., 0]])):
        Image.fromarray(pixels).save(path, format="AVIF", quality=90, exif=exif(6))
        with Image.open(path) as image:
            check(path, np.asarray(ImageOps.exif_transpose(image)))
        assert image_shape(path) == (53, 37, pixels.shape[2])


def test_lab_becomes_srgb(tmp_path):
    tifffile = pytest.importorskip("tifffile")
    tifffile.imwrite(
        tmp_path / "a.tif", np.full((9, 7, 3), (128, 0, 0), np.uint8), photometric="cielab"
    )
    image = read_image(tmp_path / "a.tif")  # half as light as white is 119 of 255
    assert image.shape == (9, 7, 3) and np.abs(image.astype(int) - 119).max() <= 1
