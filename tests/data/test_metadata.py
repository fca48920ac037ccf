"""What a file says beside its pixels is kept, and stays true; read back by programs not ours."""

from __future__ import annotations

import io
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageCms, PngImagePlugin, TiffImagePlugin

from adasr.data.images import read_image
from adasr.data.metadata import Metadata
from adasr.data.pictures import read_picture, write_picture
from adasr.data.png_writing import text_chunk
from adasr.data.rows import open_rows, open_sink

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
GRAY = SRGB[:16] + b"GRAY" + SRGB[20:]  # no program here makes one; its kind is what counts
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><a tiff:Orientation="6">\xc3\xbc</a></x:xmpmeta>'
UPRIGHT_XMP = XMP.replace(b'"6"', b'"1"')
NOTES = bytes(range(256)) * 5
DETAILS = {
    0x829A: TiffImagePlugin.IFDRational(1, 60),
    0x9003: "2026:11:21 12:00:00",
    0x927C: NOTES,
    0xA002: 53,
    0xA003: 37,
}


def exif(orientation: int = 6) -> Image.Exif:
    tags = Image.Exif()
    tags[0x010F], tags[0x8298], tags[0x0112] = "Maker", "© me", orientation
    tags.get_ifd(0x8769).update(DETAILS)
    tags.get_ifd(0x8825).update({1: "N", 2: (48.0, 12.0, 30.5)})
    return tags


def reread(path: Path) -> Image.Image:
    with Image.open(path) as image:
        image.load()
    return image


def check_exif(image: Image.Image, height: int, width: int) -> None:
    tags = image.getexif()
    assert (tags[0x010F], tags.get(0x0112, 1)) == ("Maker", 1)
    details = dict(tags.get_ifd(0x8769))
    assert details == DETAILS | {0xA002: width, 0xA003: height}
    assert dict(tags.get_ifd(0x8825)) == {1: "N", 2: (48.0, 12.0, 30.5)}


@pytest.fixture
def camera_file(tmp_path, photo) -> Path:
    """A photograph on its side, with everything that a camera writes."""
    path = tmp_path / "camera.jpg"
    Image.fromarray(photo).save(
        path, exif=exif(), icc_profile=SRGB, xmp=XMP, dpi=(300, 150), quality=95
    )
    return path


HOLDS = {
    "png": "icc exif xmp dpi",
    "tif": "icc exif xmp dpi",
    "jpg": "icc exif xmp dpi",
    "webp": "icc exif xmp",
    "avif": "icc exif xmp",
    "bmp": "dpi",
}


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("suffix", HOLDS)
def test_everything_a_format_holds_is_kept(tmp_path, camera_file, suffix, dtype):
    if dtype == np.uint16 and suffix not in ("png", "tif"):
        return
    image, metadata = read_picture(camera_file)
    assert image.shape == (53, 37, 3)
    larger = image.repeat(2, 0).repeat(2, 1).astype(dtype)
    path = tmp_path / f"out.{suffix}"
    write_picture(path, larger, metadata)
    other = reread(path)
    holds = HOLDS[suffix].split()
    assert other.info.get("icc_profile") == (SRGB if "icc" in holds else None)
    if "xmp" in holds:
        assert other.info["xmp"] == UPRIGHT_XMP
    if "exif" in holds:
        check_exif(other, 106, 74)
    if "dpi" in holds:
        assert other.info["dpi"] == pytest.approx((300, 150), abs=0.02)
    back, again = read_picture(path)
    assert back.dtype == dtype and back.shape == larger.shape
    assert again.icc == other.info.get("icc_profile")
    assert (again.xmp, again.dpi is None) == (
        UPRIGHT_XMP if "xmp" in holds else None,
        "dpi" not in holds,
    )


@pytest.mark.parametrize("source", ["png", "tif", "webp", "avif", "jpg"])
def test_metadata_of_every_format_is_read(tmp_path, photo, source):
    path, target = tmp_path / f"a.{source}", tmp_path / "b.png"
    options = {"exif": exif(1), "icc_profile": SRGB}
    if source == "png":
        info = PngImagePlugin.PngInfo()
        info.add_itxt("XML:com.adobe.xmp", XMP.decode())
        options |= {"pnginfo": info, "dpi": (300, 150)}
    elif source == "tif":
        options["exif"][700] = XMP
        options["dpi"] = (300, 150)
    else:
        options |= {"xmp": UPRIGHT_XMP}  # where EXIF says nothing, Pillow believes this
    Image.fromarray(photo).save(path, **options)
    image, metadata = read_picture(path)
    assert metadata.icc == SRGB and metadata.xmp == UPRIGHT_XMP
    if source in ("png", "tif"):
        assert metadata.dpi == pytest.approx((300, 150), abs=0.02)
    write_picture(target, image, metadata)
    if source == "tif":  # Pillow writes no further directories into it; see below for those
        assert reread(target).getexif()[0x010F] == "Maker"
    else:
        check_exif(reread(target), 37, 53)


@pytest.mark.parametrize("big", [False, True])
def test_exif_survives_a_tiff(tmp_path, photo, big, monkeypatch):
    if big:
        monkeypatch.setattr("adasr.data.tiff_writing._LARGEST_CLASSIC", 0)
    for number in (1, 2):
        metadata = Metadata(exif=exif(1).tobytes()[6:])
        if number == 2:
            metadata = read_picture(tmp_path / "1.tif")[1]
        write_picture(tmp_path / f"{number}.tif", photo, metadata)
        check_exif(reread(tmp_path / f"{number}.tif"), 37, 53)


def test_without_metadata_nothing_is_invented(tmp_path, photo):
    for suffix in HOLDS:
        write_picture(tmp_path / f"a.{suffix}", photo)
        assert read_picture(tmp_path / f"a.{suffix}")[1] == Metadata(), suffix


@pytest.mark.parametrize("order", [b"II*\0", b"MM\0*"])
def test_exif_is_changed_in_place(tmp_path, photo, order):
    """A camera's notes hold offsets from its beginning: nothing may move."""
    tags = exif()
    tags.endian = "<" if order[:1] == b"I" else ">"
    before = tags.tobytes()[6:]
    assert before[:4] == order
    after = Metadata(exif=before).turned().fitting(74, 70000, 3).exif
    assert after is not None and len(after) == len(before)
    assert after.index(NOTES) == before.index(NOTES)
    again = Image.Exif()
    again.load(after)
    assert again[0x0112] == 1
    assert dict(again.get_ifd(0x8769)) == DETAILS | {0xA002: 70000, 0xA003: 74}


def test_the_preview_goes(tmp_path, photo):
    tags = exif()
    preview = io.BytesIO()
    Image.fromarray(photo).save(preview, "JPEG")
    with_preview = _with_preview(tags.tobytes()[6:], preview.getvalue())
    path = tmp_path / "a.jpg"
    Image.fromarray(photo).save(path, exif=b"Exif\0\0" + with_preview)
    with Image.open(path) as image:
        assert image.getexif().get_ifd(ExifTags.IFD.IFD1)[0x0201]
    kept = read_picture(path)[1].exif
    assert kept is not None and preview.getvalue()[:50] not in kept
    again = Image.Exif()
    again.load(kept)
    assert not again.get_ifd(ExifTags.IFD.IFD1) and again[0x010F] == "Maker"


def _with_preview(plain: bytes, preview: bytes) -> bytes:
    start = int.from_bytes(plain[4:8], "big")
    link = start + 2 + 12 * int.from_bytes(plain[start : start + 2], "big")
    second = len(plain)
    data = second + 2 + 24 + 4
    entries = b"".join(
        tag.to_bytes(2, "big") + b"\0\4\0\0\0\1" + value.to_bytes(4, "big")
        for tag, value in ((0x0201, data), (0x0202, len(preview)))
    )
    directory = b"\0\2" + entries + bytes(4)
    return plain[:link] + second.to_bytes(4, "big") + plain[link + 4 :] + directory + preview


@pytest.mark.parametrize("suffix", ["png", "tif", "jpg"])
def test_profiles_stay_with_their_kind_of_pixels(tmp_path, photo, suffix):
    path = tmp_path / f"a.{suffix}"
    for image, profile, kept in (
        (photo, SRGB, True),
        (photo[..., :1], GRAY, True),
        (photo, GRAY, False),
        (photo[..., :1], SRGB, False),
    ):
        write_picture(path, image, Metadata(icc=profile))
        with Image.open(path) as other:
            assert (other.info.get("icc_profile") == profile) is kept
        assert read_picture(path)[1].icc == (profile if kept else None)


def test_cmyk_is_converted_by_its_profile_which_goes(tmp_path, photo):
    inks = next(Path("/usr/share/color/icc").rglob("*[Cc][Mm][Yy][Kk]*.icc"), None)
    path = tmp_path / "a.jpg"
    image = Image.fromarray(photo).convert("CMYK")
    image.save(path, quality=100, icc_profile=inks.read_bytes() if inks else b"no profile" * 20)
    pixels, metadata = read_picture(path)
    assert pixels.shape == photo.shape and metadata.icc is None
    with Image.open(path) as other:
        if inks is None:
            expected = other.convert("RGB")
        else:
            srgb = ImageCms.createProfile("sRGB")
            expected = ImageCms.profileToProfile(other, str(inks), srgb, outputMode="RGB")
        np.testing.assert_array_equal(pixels, np.asarray(expected))


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp"])
def test_damaged_metadata_does_not_spoil_the_image(tmp_path, photo, suffix):
    rng = np.random.default_rng(4)
    clean, path, target = exif().tobytes(), tmp_path / f"a.{suffix}", tmp_path / "b.tif"
    for number in range(60):
        data = np.frombuffer(clean, np.uint8).copy()
        places = rng.integers(14 if number % 2 else 6, len(data), 6)
        data[places] = rng.integers(0, 256, len(places))
        metadata = Metadata(icc=b"x", exif=data.tobytes()[6:], xmp=b"\xff\0<", dpi=(1e9, 1e-9))
        write_picture(path, photo, metadata)
        image, again = read_picture(path)
        write_picture(target, image, again)
        np.testing.assert_array_equal(read_image(target), image)


def test_what_is_too_long_for_jpeg_is_left_out(tmp_path, photo):
    long = Metadata(exif=exif().tobytes()[6:] + bytes(70000), xmp=b"<x>" + b" " * 70000)
    write_picture(tmp_path / "a.jpg", photo, long)
    assert read_picture(tmp_path / "a.jpg")[1].exif is None
    write_picture(tmp_path / "a.png", photo, long)
    assert read_picture(tmp_path / "a.png")[1].xmp == long.xmp


def test_quality(tmp_path, photo):
    for suffix in ("jpg", "webp", "avif"):
        sizes = []
        for quality in (20, 60, 98):
            write_picture(tmp_path / f"a.{suffix}", photo, quality=quality)
            sizes.append((tmp_path / f"a.{suffix}").stat().st_size)
        assert sizes == sorted(set(sizes)), suffix


def test_heic(tmp_path, photo):
    pytest.importorskip("pillow_heif")
    write_picture(tmp_path / "a.heic", photo, Metadata(icc=SRGB, exif=exif(1).tobytes()[6:]), 100)
    image, metadata = read_picture(tmp_path / "a.heic")
    assert np.abs(image.astype(int) - photo).mean() < 3
    assert metadata.icc == SRGB
    assert metadata.exif is not None and re.search(b"Maker", metadata.exif)


TEXT = {
    "Author": "Ada",
    "Description": "zwölf",
    "Comment": "日本語",
    "parameters": "a prompt, " * 300,
}


@pytest.mark.parametrize("kind", ["tEXt", "zTXt", "iTXt"])
@pytest.mark.parametrize("by_rows", [False, True])
def test_text_of_a_png_is_kept_in_a_png(tmp_path, photo, kind, by_rows):
    """Pillow writes the one file and reads the other."""
    info = PngImagePlugin.PngInfo()
    for keyword, text in TEXT.items():
        if kind == "iTXt":
            info.add_itxt(keyword, text, lang="en")
        elif keyword != "Comment":
            info.add_text(keyword, text, zip=kind == "zTXt")
    info.add_text("Thumb::Image::Width", "53")
    info.add_text("Raw profile type iptc", "\niptc\n 2\n1c02\n")
    info.add_itxt("XML:com.adobe.xmp", XMP.decode())
    Image.fromarray(photo).save(tmp_path / "a.png", pnginfo=info)
    if by_rows:
        with open_rows(tmp_path / "a.png") as source:
            metadata, shape = source.metadata, source.shape
            with open_sink(tmp_path / "b.png", shape, source.dtype, metadata) as sink:
                sink.write(source.rows(0, shape[0]))
    else:
        image, metadata = read_picture(tmp_path / "a.png")
        write_picture(tmp_path / "b.png", image, metadata)
    with Image.open(tmp_path / "b.png") as written:
        written.load()
        found = dict(written.text)
    assert found.pop("XML:com.adobe.xmp")
    expected = TEXT if kind == "iTXt" else {k: v for k, v in TEXT.items() if k != "Comment"}
    assert found == expected
    write_picture(tmp_path / "b.jpg", photo, metadata)  # which has no room for it
    assert read_picture(tmp_path / "b.jpg")[1].text == ()


def test_text_that_a_png_cannot_hold_is_left_out():
    assert text_chunk("", "a") == text_chunk("k" * 80, "a") == text_chunk("k", "a\0b") == b""
