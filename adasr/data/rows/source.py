"""Rows of image files, read by libvips so that no more of them is in memory than is asked for."""

from __future__ import annotations

import io
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from PIL import Image

from ...errors import ImageReadError
from ...memory import free_memory
from ..decoding import managed_rgb
from ..headers import (
    DEFAULT_MAX_PIXELS,
    TIFF_MAGIC,
    check_area,
    check_regular,
    has_alpha,
    header_orientation,
    is_gray,
    open_picture,
    unreadable,
)
from ..metadata import Metadata
from ..metadata_reading import metadata_of, metadata_of_tiff
from ..pictures import read_picture
from ..vips import KINDS, first_line, vips
from .protocols import RowSource

_BY_ROWS = ("PNG", "JPEG", "TIFF")  # formats whose files hold rows from top to bottom
_STEP_BYTES = 2**21
_MEMORY_SHARE = 0.5
_COPIES = 3  # of the pixels, at the worst moment of decoding a file whole


class ArrayRows:
    """An image in memory as rows."""

    def __init__(self, image: np.ndarray, metadata: Metadata | None = None) -> None:
        self.shape: tuple[int, int, int] = image.shape  # pyright: ignore[reportAttributeAccessIssue]
        self.dtype: np.dtype[Any] = image.dtype
        self.metadata = metadata or Metadata()
        self._image = image

    def rows(self, first: int, end: int) -> np.ndarray:
        """See ``RowSource``."""
        _check_range(first, end, 0, self.shape[0])
        return self._image[first:end]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        pass


class FileRows:
    """Rows of a PNG, JPEG or TIFF file, decoded as they are asked for."""

    def __init__(self, path: Path, image: Any, metadata: Metadata) -> None:
        self._path, self._icc = path, None
        self._cmyk = image.interpretation == "cmyk"
        if self._cmyk and "icc-profile-data" in image.get_fields():
            self._icc = image.get("icc-profile-data")
        channels = 3 if self._cmyk else int(image.bands)
        self.shape: tuple[int, int, int] = (image.height, image.width, channels)
        self.dtype: np.dtype[Any] = np.dtype(KINDS[image.format])
        self.metadata = metadata
        self._image: Any = image
        self._region: Any = None
        self._start, self._kept = 0, np.empty((0, *self.shape[1:]), self.dtype)

    def rows(self, first: int, end: int) -> np.ndarray:
        """See ``RowSource``."""
        _check_range(first, end, self._start, self.shape[0])
        known = self._start + len(self._kept)
        rows = np.empty((max(end, known) - first, *self.shape[1:]), self.dtype)
        if known > first:
            rows[: known - first] = self._kept[first - self._start :]
        # In small steps: libvips holds several times what it is asked for.
        step = max(1, _STEP_BYTES // (self.shape[1] * self.shape[2] * self.dtype.itemsize))
        for top in range(known, end, step):
            bottom = min(end, top + step)
            new = self._read(top, bottom)
            if bottom > first:
                rows[max(0, top - first) : bottom - first] = new[max(0, first - top) :]
        self._start, self._kept = first, rows
        return rows[: end - first]

    def _read(self, first: int, end: int) -> np.ndarray:
        pyvips = vips()
        assert pyvips is not None
        width = self.shape[1]
        try:
            if self._region is None:
                self._region = pyvips.Region.new(self._image)
            data = self._region.fetch(0, first, width, end - first)
        except pyvips.Error as error:
            problem = f"is damaged or cut off ({first_line(error)})"
            raise ImageReadError(self._path, problem, "Copy or download it again.") from None
        pixels = np.frombuffer(data, self.dtype).reshape(end - first, width, -1)
        if self._cmyk:
            inks = Image.fromarray(np.ascontiguousarray(pixels), "CMYK")
            return np.asarray(managed_rgb(inks, self._icc))
        if self.dtype == np.float32 and not np.isfinite(pixels).all():
            raise ImageReadError(self._path, "holds values that are not finite")
        return pixels

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._region = self._image = None


def open_rows(path: str | Path, max_pixels: int | None = DEFAULT_MAX_PIXELS) -> RowSource:
    """An image file as rows, of the values that ``read_picture`` would give.

    PNG, JPEG and TIFF are decoded row by row. Those that are interlaced or progressive, and all
    other formats, are decoded whole, which needs memory for it. So does a camera's orientation;
    where memory lacks, the rows come as they are stored, and the orientation stays in the EXIF of
    the metadata for the result to carry.

    Args:
        path: the file.
        max_pixels: more are refused; None reads any size.

    Raises:
        ImageReadError: as ``read_image``, or the image must be decoded whole and does not fit in
            memory.
    """
    path = Path(path)
    check_regular(path)
    try:
        with path.open("rb") as file:
            found = _header(file, path, max_pixels)
    except OSError as error:
        raise unreadable(path, error) from None
    if found is None:  # reading it whole says what is wrong
        return ArrayRows(*read_picture(path, max_pixels))
    shape, metadata, orientation, reason = found
    size = int(np.prod(shape)) * _COPIES
    fits = size <= free_memory() * _MEMORY_SHARE
    if not reason and (orientation == 1 or not fits):
        rows = _file_rows(path, shape, metadata if orientation != 1 else metadata.turned())
        if rows is not None:
            return rows
        reason = "is of a kind that is decoded whole"
    if not fits:
        hint = "Save it as TIFF or as PNG without interlacing, or cut it into parts."
        if vips() is None:
            hint = f"Install pyvips (`pip install pyvips[binary]`). {hint}"
        raise ImageReadError(path, f"{reason}, for which memory lacks ({size >> 20} MiB)", hint)
    return ArrayRows(*read_picture(path, max_pixels))


def _header(
    file: io.BufferedReader, path: Path, max_pixels: int | None
) -> tuple[tuple[int, int, int], Metadata, int, str] | None:
    """Shape as stored, metadata, orientation, and why it cannot be read by rows, if so."""
    try:
        image = open_picture(file, path, max_pixels)
    except ImageReadError:
        raise
    except Exception:  # a kind that Pillow does not know; libvips may
        file.seek(0)
        return _tiff_header(file, path, max_pixels)
    channels = (1 if is_gray(image) else 3) + has_alpha(image)
    shape = (image.height, image.width, channels)
    reason = "" if image.format in _BY_ROWS else f"is {image.format}"
    if image.info.get("interlace") or image.info.get("progressive"):
        reason = f"is an interlaced {image.format}"
    try:
        orientation = header_orientation(image, file)
        return shape, metadata_of(image, file, channels), orientation, reason
    except Exception:  # damaged
        return None


def _tiff_header(
    file: io.BufferedReader, path: Path, max_pixels: int | None
) -> tuple[tuple[int, int, int], Metadata, int, str] | None:
    pyvips = vips()
    if pyvips is None or file.read(4) not in TIFF_MAGIC:
        return None
    try:
        image = _open(path)
    except pyvips.Error:
        return None
    check_area(path, image.height, image.width, max_pixels)
    return (image.height, image.width, image.bands), metadata_of_tiff(file, image.bands), 1, ""


def _file_rows(path: Path, shape: tuple[int, int, int], metadata: Metadata) -> FileRows | None:
    """Rows by libvips; None where it lacks or would give another kind than Pillow says."""
    pyvips = vips()
    if pyvips is None:
        return None
    try:
        image = _open(path)
    except pyvips.Error:
        return None
    if image.format not in KINDS or image.interpretation in ("lab", "labs"):
        return None
    if image.interpretation == "cmyk" and image.format != "uchar":
        return None
    rows = FileRows(path, image, metadata)
    return rows if rows.shape == shape else None


def _open(path: Path) -> Any:
    pyvips = vips()
    assert pyvips is not None
    # A source and not a name, in which libvips would look for options in brackets.
    source = pyvips.Source.new_from_file(str(path))
    settings = {"access": "sequential", "fail_on": "error", "unlimited": True}
    return pyvips.Image.new_from_source(source, "", **settings)


def _check_range(first: int, end: int, start: int, height: int) -> None:
    if not start <= first <= end <= height:
        raise ValueError(f"rows {first} to {end} are asked for; there are {start} to {height}")
