"""JPEG equals libjpeg as Pillow runs it, and its simulation comes close to it."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image

from adasr.degradations.jpeg import jpeg, jpeg_codec

QUALITIES = [1, 10, 30, 49, 50, 51, 75, 95, 100]


def _pillow(image: np.ndarray, quality: int) -> np.ndarray:
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality, subsampling="4:2:0")
    return np.asarray(Image.open(file))


def _tensor(image: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(image.copy()).permute(2, 0, 1)[None] / 255


def _levels(images: torch.Tensor) -> np.ndarray:
    return (images * 255).permute(0, 2, 3, 1).numpy()


@pytest.mark.parametrize("quality", QUALITIES)
def test_codec_equals_pillow(picture, quality):
    expected = _pillow(picture, quality)
    assert np.array_equal(jpeg_codec(picture, quality), expected)
    ours = jpeg(_tensor(picture), torch.tensor([float(quality)]), "codec")
    np.testing.assert_allclose(_levels(ours)[0], expected, atol=1e-4)


@pytest.mark.parametrize("quality", QUALITIES)
@pytest.mark.parametrize("size", [(160, 208), (97, 61), (82, 54), (33, 16)])
def test_simulation_comes_close_to_libjpeg(picture, quality, size):
    image = np.ascontiguousarray(picture[: size[0], : size[1]])
    expected = _pillow(image, quality).astype(float)
    ours = _levels(jpeg(_tensor(image), torch.tensor([float(quality)]), "simulated"))[0]
    assert ours.shape == image.shape
    assert np.abs(ours - expected).mean() < 0.5
    # A coefficient at the edge of two quantization steps may fall on the other side.
    assert np.quantile(np.abs(ours - expected), 0.95) <= 3


@pytest.mark.parametrize("size", [(1, 1), (7, 3), (2, 40)])
@pytest.mark.parametrize("method", ["codec", "simulated"])
def test_images_smaller_than_a_block_work(picture, size, method):
    image = _tensor(picture[50 : 50 + size[0], 100 : 100 + size[1]])
    compressed = jpeg(image, torch.tensor([90.0]), method)
    assert compressed.shape == image.shape
    assert (compressed - image).abs().mean() < 0.1


def test_each_sample_has_its_own_quality(batch):
    quality = torch.tensor([10.0, 40.0, 70.0, 95.0])
    for method in ("codec", "simulated"):
        together = jpeg(batch, quality, method)
        for i in range(4):
            alone = jpeg(batch[i : i + 1], quality[i : i + 1], method)
            torch.testing.assert_close(together[i : i + 1], alone, atol=1e-6, rtol=0)
        error = (together - batch).square().flatten(1).mean(1)
        assert (error.diff() < 0).all()


def test_auto_takes_the_codec_on_a_cpu(batch):
    quality = torch.full((4,), 37.4)
    assert torch.equal(jpeg(batch, quality), jpeg(batch, quality.round(), "codec"))


def test_values_outside_the_range_are_clamped_first():
    image = torch.linspace(-0.5, 1.5, 3 * 256).view(1, 3, 16, 16)
    for method in ("codec", "simulated"):
        quality = torch.tensor([80.0])
        assert torch.equal(jpeg(image, quality, method), jpeg(image.clamp(0, 1), quality, method))
