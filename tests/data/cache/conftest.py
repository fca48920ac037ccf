"""Folders that the tests of the caches share."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from adasr.data.images import write_image


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """Images of every kind that a training set meets, one of them broken, one below the crop."""
    root = tmp_path / "mixed"
    random = np.random.default_rng(0)
    for number, shape in enumerate([(40, 48), (33, 70), (64, 41), (12, 90)]):
        write_image(root / f"a{number}.png", random.integers(0, 256, (*shape, 3), np.uint8))
    write_image(root / "deep.png", random.integers(0, 65536, (45, 47, 3), np.uint16))
    write_image(root / "gray.png", random.integers(0, 256, (45, 47, 1), np.uint8))
    write_image(root / "sub" / "alpha.webp", random.integers(0, 256, (40, 40, 4), np.uint8))
    (root / "broken.png").write_bytes((root / "a0.png").read_bytes()[:500])
    turned = Image.fromarray(random.integers(0, 256, (40, 60, 3), np.uint8))
    exif = turned.getexif()
    exif[0x0112] = 6
    turned.save(root / "turned.jpg", exif=exif)
    return root


@pytest.fixture
def pairs(tmp_path: Path) -> dict[str, str]:
    """Pairs of 8 and of 16 bits."""
    random = np.random.default_rng(0)
    for number, kind in enumerate([np.uint8, np.uint16, np.uint8]):
        top = np.iinfo(kind).max
        lq = random.integers(0, top, (20 + number, 24, 3), kind)
        write_image(tmp_path / "hr" / f"{number}.png", lq.repeat(4, 0).repeat(4, 1))
        write_image(tmp_path / "lr" / f"{number}x4.png", lq)
    hr, lr = str(tmp_path / "hr"), str(tmp_path / "lr")
    return {"dataroot_gt": hr, "dataroot_lq": lr, "filename_tmpl": "{}x4"}
