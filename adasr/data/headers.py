"""What a file's header says, through Pillow: the format, the size, the kind of pixels."""

from __future__ import annotations

import io
import stat
import threading
import warnings
from pathlib import Path
from typing import BinaryIO

from PIL import Image, TiffImagePlugin

from ..errors import ImageReadError

DEFAULT_MAX_PIXELS = 2**30  # OpenCV's own limit; Pillow's is below an x4 result of a photograph
ORIENTATION_TAG = 0x0112
RE_EXPORT = "Open it in an image editor and save it as PNG, or remove it."
TIFF_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")

# Named, so that a file called .png never starts another decoder (e.g. Ghostscript for EPS).
_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "DIB", "TIFF", "GIF", "PPM", "JPEG2000", "AVIF")
_HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_BITS_PER_SAMPLE_TAG, _PHOTOMETRIC_TAG = 258, 262
_lock = threading.Lock()  # guards Pillow's global limit

# An error says what is wrong with a damaged file; these would tell it once more, in the midst of
# whatever is on the screen.
_TOLD_TWICE = "Corrupt EXIF data|Truncated File Read|Tag data larger than file"
warnings.filterwarnings("ignore", _TOLD_TWICE, UserWarning, r"PIL\.TiffImagePlugin")


def check_regular(path: Path) -> int:
    """A file's bytes. Refuses what has no end: a pipe makes one wait, a device may never stop.

    Raises:
        ImageReadError: missing, forbidden, a folder, a device, a pipe.
    """
    try:
        found = path.stat()
    except (OSError, ValueError) as error:  # ValueError: a zero in the name
        raise unreadable(path, error) from None
    if stat.S_ISDIR(found.st_mode):
        raise ImageReadError(path, "is a folder, not an image")
    if not stat.S_ISREG(found.st_mode):
        raise ImageReadError(path, "is no regular file (a device, a pipe or a socket)")
    return found.st_size


def unreadable(path: Path, error: OSError | ValueError) -> ImageReadError:
    """The system's reason in words."""
    if isinstance(error, FileNotFoundError):
        return ImageReadError(path, "does not exist", "Check the path.")
    if isinstance(error, IsADirectoryError) or path.is_dir():
        return ImageReadError(path, "is a folder, not an image")
    reason = getattr(error, "strerror", None) or str(error)
    return ImageReadError(path, f"cannot be read ({reason})", "Check its permissions.")


def open_picture(file: BinaryIO, path: Path, max_pixels: int | None) -> Image.Image:
    """An image whose header is read and whose pixels are not.

    Raises:
        ImageReadError: more pixels than ``max_pixels``, or HEIC without its decoder.
        Exception: whatever a decoder raises of damaged bytes; UnidentifiedImageError of no image.
    """
    formats = _FORMATS
    if is_heic(file):
        load_heic(path)
        formats = (*_FORMATS, "HEIF")
    # The limit is a global of Pillow's. The header takes microseconds, so it is held for no longer.
    with _lock:
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            image = Image.open(file, formats=formats)
        finally:
            Image.MAX_IMAGE_PIXELS = limit
    check_area(path, image.height, image.width, max_pixels)
    return image


def check_area(path: Path, height: int, width: int, max_pixels: int | None) -> None:
    """Refuse an image of more pixels than ``max_pixels``.

    Raises:
        ImageReadError: it has more; a small file can claim any size.
    """
    if max_pixels is not None and height * width > max_pixels:
        raise ImageReadError(
            path,
            f"says it has {height * width} pixels ({width}x{height}), the limit is {max_pixels}",
            "If you trust it, raise the limit (--max-pixels).",
        )


def is_heic(file: BinaryIO) -> bool:
    """Whether the file begins as HEIC or HEIF do; the position stays."""
    head = file.read(32)
    file.seek(-len(head), io.SEEK_CUR)
    brands = (head[8:12], head[16:20], head[20:24], head[24:28])
    return head[4:8] == b"ftyp" and b"avif" not in brands and brands[0] in _HEIC_BRANDS


def load_heic(path: Path) -> None:
    """Make Pillow know HEIC.

    Raises:
        ImageReadError: the package for it is not installed.
    """
    if "HEIF" in Image.OPEN:
        return
    try:
        import pillow_heif  # pyright: ignore[reportMissingImports]
    except ImportError:
        hint = "Install it with `pip install pillow-heif`, or save the image as PNG or JPEG."
        raise ImageReadError(path, "is HEIC, whose codec is not installed", hint) from None
    pillow_heif.register_heif_opener(thumbnails=False)


def is_deep_colour(image: Image.Image) -> bool:
    """Whether Pillow would cut several channels of more than 8 bits down to 8."""
    if image.mode in ("L", "F") or image.mode[:1] == "I":
        return False
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        return any(bits > 8 for bits in image.tag_v2.get(_BITS_PER_SAMPLE_TAG, ()))
    return any(";16" in str(tile[3]) for tile in getattr(image, "tile", ()))


def has_alpha(image: Image.Image) -> bool:
    """Whether it has alpha, or one colour or palette entry that means transparent."""
    return image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or (
        "transparency" in image.info and image.mode in ("1", "L", "P", "RGB")
    )


def is_gray(image: Image.Image) -> bool:
    """Whether its colours are one channel."""
    if image.mode in ("1", "L", "LA", "La", "F") or image.mode[:1] == "I":
        return True
    # Pillow opens gray with alpha of 16 bits as RGBA of 8; only before it is loaded can one tell.
    return any("LA;16" in str(tile[3]) for tile in getattr(image, "tile", ()))


def is_white_zero(image: Image.Image) -> bool:
    """Whether it is a TIFF of 16 bits whose 0 is white: Pillow turns only 8 bits around."""
    if not isinstance(image, TiffImagePlugin.TiffImageFile):
        return False
    tags = image.tag_v2
    return tags.get(_PHOTOMETRIC_TAG) == 0 and tags.get(_BITS_PER_SAMPLE_TAG) == (16,)


def header_orientation(image: Image.Image, file: BinaryIO) -> int:
    """Orientation without decoding, except for the rare PNG that states it after its pixels."""
    if image.format == "PNG" and "exif" not in image.info and not _late_metadata(file):
        return 1  # getexif would decode the whole PNG in search of it
    return image.getexif().get(ORIENTATION_TAG, 1)


def _late_metadata(file: BinaryIO) -> bool:
    """Whether a PNG has metadata after its pixels; leaves the file's position as it was."""
    position = file.tell()
    file.seek(8)
    pixels_seen = late = False
    while len(head := file.read(8)) == 8 and not late:
        pixels_seen = pixels_seen or head[4:] == b"IDAT"
        late = pixels_seen and head[4:] in (b"eXIf", b"zTXt", b"iTXt", b"tEXt")
        file.seek(int.from_bytes(head[:4], "big") + 4, io.SEEK_CUR)
    file.seek(position)
    return late
