"""JPEG equals libjpeg as Pillow runs it, its simulation too, and the released one BasicSR's."""

from __future__ import annotations

import io
from typing import get_args

import numpy as np
import pytest
import torch
from PIL import Image

from adasr.degradations.jpeg import JpegMethod, Subsampling, jpeg, jpeg_codec

METHODS = get_args(JpegMethod)
QUALITIES = [1, 10, 30, 49, 50, 51, 75, 95, 100]
# Whole and broken blocks, odd sides, less than a block, chroma too narrow to be interpolated.
SIZES = [(160, 208), (97, 61), (82, 54), (33, 16), (8, 8), (7, 3), (40, 4), (3, 40), (1, 1)]


def _pillow(image: np.ndarray, quality: int, subsampling: str = "4:2:0") -> np.ndarray:
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality, subsampling=subsampling)
    return np.asarray(Image.open(file))


def _tensor(image: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(image.copy()).permute(2, 0, 1)[None] / 255


def _levels(images: torch.Tensor) -> np.ndarray:
    return (images * 255).permute(0, 2, 3, 1).numpy()


def _part(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    top, left = min(50, 160 - size[0]), min(100, 208 - size[1])
    return np.ascontiguousarray(picture[top : top + size[0], left : left + size[1]])


@pytest.mark.parametrize("subsampling", get_args(Subsampling))
@pytest.mark.parametrize("quality", QUALITIES)
def test_codec_equals_pillow(picture, quality, subsampling):
    expected = _pillow(picture, quality, subsampling)
    assert np.array_equal(jpeg_codec(picture, quality, subsampling), expected)
    ours = jpeg(_tensor(picture), torch.tensor([float(quality)]), "codec", subsampling)
    np.testing.assert_allclose(_levels(ours)[0], expected, atol=1e-4)


@pytest.mark.parametrize("subsampling", get_args(Subsampling))
@pytest.mark.parametrize("quality", QUALITIES)
@pytest.mark.parametrize("size", SIZES)
def test_simulation_equals_libjpeg_but_for_single_pixels(picture, quality, size, subsampling):
    image = _part(picture, size)
    expected = _pillow(image, quality, subsampling).astype(float)
    quality_tensor = torch.tensor([float(quality)])
    ours = _levels(jpeg(_tensor(image), quality_tensor, "simulated", subsampling))[0]
    assert ours.shape == image.shape
    # Above 80 dB on photographs; here one pixel that is off by one is 58 dB of an 8x8 image.
    assert ((ours - expected) ** 2).sum() <= max(2, 6.5e-4 * expected.size)


def test_simulation_is_libjpeg_on_photographs(shared):
    files = sorted((shared / "data" / "Set14").glob("*.png"))[:4]
    for file in files:
        image = np.asarray(Image.open(file).convert("RGB"))[:203, :301]
        for quality in (10, 40, 70, 95):
            ours = _levels(jpeg(_tensor(image), torch.tensor([float(quality)]), "simulated"))[0]
            error = ((ours - _pillow(image, quality)) ** 2).mean()
            assert error < 255**2 / 10**8, file  # 80 dB


@pytest.mark.parametrize("size", [(64, 64), (50, 37), (8, 8), (7, 100), (1, 1)])
def test_released_equals_basicsr(basicsr, size):
    from basicsr.utils import DiffJPEG

    images = torch.rand(6, 3, *size)
    smooth = torch.nn.functional.avg_pool2d(images, 3, 1, 1)
    quality = torch.tensor([1.0, 10.0, 33.3, 50.0, 75.4, 95.0])
    for given in (images, smooth):
        with torch.no_grad():
            expected = DiffJPEG(differentiable=False)(given, quality.clone())
        ours = jpeg(given, quality, "released")
        torch.testing.assert_close(ours, expected, atol=1e-5, rtol=0)


def test_released_is_far_from_libjpeg_where_the_simulation_is_not(batch):
    """What the option is about: stripes across and along are not quantized alike."""
    quality = torch.full((4,), 30.0)
    real = jpeg(batch, quality, "codec")
    assert (jpeg(batch, quality, "released") - real).square().mean().sqrt() > 4 / 255
    assert (jpeg(batch, quality, "simulated") - real).square().mean().sqrt() < 0.1 / 255
    stripes = (torch.arange(64) % 4 < 2).float().expand(1, 3, 64, 64) * 0.1 + 0.45

    def error(images, method):
        return (jpeg(images, torch.tensor([30.0]), method) - images).square().mean()

    turned = stripes.transpose(2, 3)
    assert (error(stripes, "codec") < error(turned, "codec")) != (
        error(stripes, "released") < error(turned, "released")
    )


def test_released_loses_next_to_nothing_of_gray_at_quality_100():
    gray = torch.rand(1, 1, 32, 32).expand(-1, 3, -1, -1)
    result = jpeg(gray, torch.tensor([100.0]), "released")
    torch.testing.assert_close(result, gray, atol=1e-4, rtol=0)


@pytest.mark.parametrize("method", METHODS)
def test_each_sample_has_its_own_quality(batch, method):
    quality = torch.tensor([10.0, 40.0, 70.0, 95.0])
    together = jpeg(batch, quality, method)
    for i in range(4):
        alone = jpeg(batch[i : i + 1], quality[i : i + 1], method)
        torch.testing.assert_close(together[i : i + 1], alone, atol=1e-6, rtol=0)
    error = (together - batch).square().flatten(1).mean(1)
    assert (error.diff() < 0).all()


def test_auto_takes_the_codec_on_a_cpu(batch):
    quality = torch.full((4,), 37.4)
    assert torch.equal(jpeg(batch, quality), jpeg(batch, quality.round(), "codec"))


@pytest.mark.parametrize("method", METHODS)
def test_values_outside_the_range_are_clamped_first(method):
    image, quality = torch.linspace(-0.5, 1.5, 3 * 256).view(1, 3, 16, 16), torch.tensor([80.0])
    assert torch.equal(jpeg(image, quality, method), jpeg(image.clamp(0, 1), quality, method))
    for beyond, within in ((-3.0, 1.0), (400.0, 100.0)):
        ours, expected = (jpeg(image, torch.tensor([q]), method) for q in (beyond, within))
        assert torch.equal(ours, expected)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("level", [0.0, 1.0])
def test_black_and_white_stay_what_they_are(level, method):
    flat = torch.full((2, 3, 8, 8), level)
    result = jpeg(flat, torch.tensor([50.0, 95.0]), method)
    torch.testing.assert_close(result, flat, atol=1 / 255, rtol=0)


@pytest.mark.parametrize("method", METHODS)
def test_memory_layout_and_precision_change_nothing(batch, method):
    quality = torch.tensor([30.0, 50.0, 70.0, 90.0])
    expected = jpeg(batch, quality, method)
    strided = batch.to(memory_format=torch.channels_last)
    torch.testing.assert_close(jpeg(strided, quality, method), expected, atol=1e-5, rtol=0)
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(jpeg(batch, quality, method), expected, atol=1e-5, rtol=0)
    double = jpeg(batch.double(), quality, method)
    assert double.dtype == torch.float64
    torch.testing.assert_close(double.float(), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("shape", "qualities", "options", "says"),
    [
        ((1, 1, 8, 8), 1, {}, "RGB"),
        ((3, 8, 8), 1, {}, "RGB"),
        ((2, 3, 8, 8), 1, {}, "one quality for each of 2"),
        ((1, 3, 8, 8), 1, {"method": "libjpeg"}, "'codec'"),
        ((1, 3, 8, 8), 1, {"subsampling": "4:2:2"}, "'4:4:4'"),
        ((1, 3, 8, 8), 1, {"method": "released", "subsampling": "4:4:4"}, "always halves"),
    ],
)
def test_what_does_not_fit_is_refused(shape, qualities, options, says):
    with pytest.raises(ValueError, match=says):
        jpeg(torch.zeros(shape), torch.full((qualities,), 50.0), **options)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("method", ["simulated", "released"])
def test_a_gpu_computes_the_same_without_waiting(batch, method):
    quality = torch.tensor([10.0, 40.0, 70.0, 95.0])
    expected = jpeg(batch, quality, method)
    images, quality = batch.cuda(), quality.cuda()
    jpeg(images, quality, method)  # constants are copied once
    torch.cuda.set_sync_debug_mode("error")
    try:
        result = jpeg(images, quality, method)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert (result.cpu() - expected).square().mean() < 1e-6
