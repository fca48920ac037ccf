"""The bundled photographs: real, apart, the same every time."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import skimage.data

from adasr.data.images import list_images, read_image
from adasr.data.samples import write_samples
from adasr.errors import UnavailableError


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    root = tmp_path_factory.mktemp("samples")
    return root, *write_samples(root)


def test_files_are_rgb_png_of_useful_size(samples):
    root, train, val = samples
    assert list_images(root / "train") == sorted(train) and list_images(root / "val") == sorted(val)
    assert len(train) >= 8 and len(val) >= 3
    for path in train:
        assert path.suffix == ".png" and min(read_image(path).shape[:2]) >= 192
    for path in val:
        assert read_image(path).shape == (288, 288, 3)
    assert sum(p.stat().st_size for p in train + val) < 8e6


def test_pixels_are_scikit_images(samples):
    root, _, _ = samples
    np.testing.assert_array_equal(
        read_image(root / "train" / "astronaut.png"), skimage.data.astronaut()
    )
    np.testing.assert_array_equal(
        read_image(root / "train" / "camera.png"), np.stack([skimage.data.camera()] * 3, axis=-1)
    )
    cat = read_image(root / "val" / "chelsea.png")
    np.testing.assert_array_equal(cat, skimage.data.chelsea()[:288, 96:384])


def test_no_validation_image_is_part_of_training(samples):
    """Names apart, and no validation patch found in any training image by correlation."""
    _, train, val = samples
    assert {p.name for p in train}.isdisjoint(p.name for p in val)
    for path in val:
        patch = cv2.cvtColor(read_image(path)[96:192, 96:192], cv2.COLOR_RGB2GRAY)
        for other in train:
            image = cv2.cvtColor(read_image(other), cv2.COLOR_RGB2GRAY)
            assert cv2.matchTemplate(image, patch, cv2.TM_CCOEFF_NORMED).max() < 0.8


def test_same_every_time(samples, tmp_path):
    root, train, val = samples
    write_samples(tmp_path)
    for path in [*train, *val]:
        assert (tmp_path / path.relative_to(root)).read_bytes() == path.read_bytes()


def test_incomplete_installation_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(skimage, "__file__", str(tmp_path / "__init__.py"))
    with pytest.raises(UnavailableError, match=r"astronaut\.png.*Install scikit-image again"):
        write_samples(tmp_path / "out")
