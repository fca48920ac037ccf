"""Images that the tests of adasr.data share."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from adasr.data.rows import open_rows


@pytest.fixture(scope="session")
def photo() -> np.ndarray:
    """A smooth, asymmetric colour image (37, 53, 3) uint8; JPEG can hold it well."""
    small = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    return cv2.resize(small, (53, 37), interpolation=cv2.INTER_CUBIC)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Six PNG images of 40 x 48 whose pixels tell which image they are: red is 10 * number."""
    root = tmp_path / "gt"
    for number in range(6):
        save_png(root / f"img{number}.png", numbered(number))
    return root


def numbered(number: int, height: int = 40, width: int = 48) -> np.ndarray:
    image = np.random.default_rng(number).integers(0, 256, (height, width, 3), dtype=np.uint8)
    image[..., 0] = 10 * number
    return image


def save_png(path: Path, image: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path)
    return path


@pytest.fixture(name="save_png")
def _save_png():
    return save_png


@pytest.fixture(name="numbered")
def _numbered():
    return numbered


@pytest.fixture
def noise():
    """``noise(channels, dtype)`` is an image (301, 203, channels) of integers."""
    random = np.random.default_rng(5)

    def draw(channels: int, dtype: type) -> np.ndarray:
        values = random.integers(0, 256 if dtype == np.uint8 else 65536, (301, 203, channels))
        return values.astype(dtype)

    return draw


@pytest.fixture
def read_all():
    """``read_all(path)`` is a file's image, read in bands that overlap."""

    def read(path, step: int = 37, overlap: int = 11) -> np.ndarray:
        with open_rows(path) as source:
            height = source.shape[0]
            bands = []
            for first in range(0, height, step):
                start, end = max(0, first - overlap), min(height, first + step + overlap)
                band = source.rows(start, end)
                assert band.shape == (end - start, *source.shape[1:])
                assert band.dtype == source.dtype
                bands.append(band[first - start : first - start + step].copy())
            return np.concatenate(bands)

    return read


@pytest.fixture
def exif():
    """``exif(orientation)`` is EXIF that says so."""

    def tags(orientation: int) -> Image.Exif:
        made = Image.Exif()
        made[0x0112] = orientation
        return made

    return tags
