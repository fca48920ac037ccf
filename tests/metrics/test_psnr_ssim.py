"""PSNR and SSIM against BasicSR and scikit-image."""

from __future__ import annotations

import importlib.util
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torch import Tensor

from adasr.compat import import_basicsr
from adasr.errors import AdasrError, OptionError
from adasr.metrics import Metric, MetricError
from adasr.metrics.psnr import psnr
from adasr.registry import METRIC_REGISTRY


def pair(noise: float, channels: int = 3, seed: int = 0) -> tuple[Tensor, Tensor]:
    """SR and GT (C, 61, 74) with structure at several scales, not rounded, SR out of range too."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, channels, 9, 11, generator=generator)
    gt = torch.nn.functional.interpolate(coarse, (61, 74), mode="bicubic")[0].clamp(0, 1)
    return gt + noise * torch.randn(gt.shape, generator=generator), gt


def as_file(image: Tensor) -> np.ndarray:
    """(H, W, C) uint8 in BGR order, as BasicSR's ``tensor2img`` makes it."""
    array = image.clamp(0, 1).numpy()[::-1].transpose(1, 2, 0)
    return (array * 255.0).round().astype(np.uint8)


def build(name: str, **options: object) -> Metric:
    return METRIC_REGISTRY.build({"type": name, **options})


@pytest.fixture(scope="module")
def basicsr() -> dict:
    if importlib.util.find_spec("basicsr") is None:
        pytest.skip("BasicSR is not installed")
    import_basicsr()
    from basicsr.metrics import calculate_psnr, calculate_ssim

    return {"psnr": calculate_psnr, "ssim": calculate_ssim}


@pytest.mark.parametrize("name", ["psnr", "ssim"])
@pytest.mark.parametrize("y_only", [False, True])
@pytest.mark.parametrize("border", [0, 4])
@pytest.mark.parametrize("noise", [0.2, 0.02, 0.002])
@pytest.mark.parametrize("channels", [3, 1])
def test_equals_basicsr(
    basicsr: dict, name: str, y_only: bool, border: int, noise: float, channels: int
) -> None:
    sr, gt = pair(noise, channels)
    ours = build(name, crop_border=border, test_y_channel=y_only)(sr, gt)
    theirs = basicsr[name](as_file(sr), as_file(gt), border, test_y_channel=y_only)
    assert ours == pytest.approx(theirs, abs=1e-6)


def test_equals_basicsr_without_rounding(basicsr: dict) -> None:
    sr, gt = (image.clamp(0, 1) for image in pair(0.05))
    arrays = [255 * image.double().permute(1, 2, 0).numpy() for image in (sr, gt)]
    for name in ("psnr", "ssim"):
        ours = build(name, quantize=False)(sr, gt)
        assert ours == pytest.approx(basicsr[name](*arrays, 0), abs=1e-6)


@pytest.mark.parametrize("noise", [0.1, 0.01])
def test_equals_scikit_image(noise: float) -> None:
    sr, gt = pair(noise)
    a, b = as_file(sr), as_file(gt)
    assert build("psnr")(sr, gt) == pytest.approx(peak_signal_noise_ratio(b, a), abs=1e-9)
    # The setting that scikit-image documents as that of Wang et al.; its mean leaves the border
    # of half a window out, which is where our window would not lie inside.
    theirs = structural_similarity(
        a,
        b,
        channel_axis=2,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        data_range=255,
    )
    assert build("ssim")(sr, gt) == pytest.approx(theirs, abs=1e-6)


def test_real_images_score_as_basicsr(basicsr: dict, shared: Path) -> None:
    folder = shared / "data" / "Set5"
    files = sorted(folder.rglob("*.png"))[:2]
    if not files:
        pytest.skip("no Set5")
    import cv2

    for file in files:
        bgr = cv2.imread(str(file))
        assert bgr is not None
        blurred = cv2.GaussianBlur(bgr, (0, 0), 1.2)
        tensors = [
            torch.from_numpy(i[..., ::-1].transpose(2, 0, 1).copy()).float() / 255
            for i in (blurred, bgr)
        ]
        for name in ("psnr", "ssim"):
            ours = build(name, crop_border=4, test_y_channel=True)(*tensors)
            theirs = basicsr[name](blurred, bgr, 4, test_y_channel=True)
            assert ours == pytest.approx(theirs, abs=1e-6)


def test_known_values() -> None:
    gt = torch.full((3, 16, 16), 100 / 255)
    assert build("psnr")(gt + 10 / 255, gt) == pytest.approx(20 * math.log10(25.5), abs=1e-9)
    assert psnr(torch.zeros(4), torch.ones(4), data_range=1.0) == 0.0
    assert build("ssim")(gt, gt) == pytest.approx(1.0, abs=1e-12)


def test_identical_images_are_infinitely_good() -> None:
    _, gt = pair(0)
    assert build("psnr")(gt, gt) == math.inf
    # What no file can show is no difference: less than half a grey level, or out of range.
    assert build("psnr")(gt + 1e-5 * gt, gt.mul(255).round().div(255)) > 50
    white = torch.ones(3, 12, 12)
    assert build("psnr")(white * 1.5, white) == math.inf


def test_batch_of_one_is_one_image_and_the_input_is_left_alone() -> None:
    sr, gt = pair(0.1)
    before = sr.clone()
    assert build("psnr")(sr[None], gt[None]) == build("psnr")(sr, gt)
    assert torch.equal(sr, before)


def test_nan_is_never_a_score() -> None:
    sr, gt = pair(0.1)
    sr[0, 30, 30] = math.nan
    for name in ("psnr", "ssim"):
        assert math.isnan(build(name)(sr, gt))


@pytest.mark.parametrize("name", ["psnr", "ssim"])
def test_images_that_do_not_compare_are_refused(name: str) -> None:
    metric = build(name)
    with pytest.raises(MetricError, match=r"\(3, 12, 16\).*\(3, 16, 16\)"):
        metric(torch.zeros(3, 12, 16), torch.zeros(3, 16, 16))
    with pytest.raises(MetricError, match="one image"):
        metric(torch.zeros(2, 3, 16, 16), torch.zeros(2, 3, 16, 16))
    with pytest.raises(AdasrError, match="nothing left"):
        build(name, crop_border=8)(torch.zeros(3, 16, 20), torch.zeros(3, 16, 20))


def test_ssim_says_how_large_an_image_must_be() -> None:
    with pytest.raises(MetricError, match="at least 11x11 pixels, got 12x10"):
        build("ssim")(torch.zeros(3, 10, 12), torch.zeros(3, 10, 12))
    assert build("ssim")(torch.zeros(3, 11, 11), torch.zeros(3, 11, 11)) == 1.0


def test_options_are_checked() -> None:
    with pytest.raises(OptionError, match="crop_border"):
        build("psnr", crop_border=-1)
    with pytest.raises(OptionError, match="Did you mean 'crop_border'"):
        build("ssim", crop_boarder=4)
    with pytest.raises(OptionError, match="Did you mean 'psnr'"):
        build("pnsr")


def test_protocol_tells_the_settings_apart() -> None:
    protocol = build("psnr", crop_border=4, test_y_channel=True).protocol()
    assert protocol["crop_border"] == 4
    assert "Y" in str(protocol["colour"])
    assert protocol["quantisation"] == "8 bit"
    assert str(protocol["implementation"]).startswith("adasr ")
    others = [
        build("psnr"),
        build("psnr", crop_border=4),
        build("psnr", crop_border=4, test_y_channel=True, quantize=False),
    ]
    assert protocol not in [metric.protocol() for metric in others]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_scores_on_the_gpu_are_those_of_the_cpu() -> None:
    sr, gt = pair(0.05)
    for name in ("psnr", "ssim"):
        for y_only in (False, True):
            metric = build(name, test_y_channel=y_only)
            assert metric(sr.cuda(), gt.cuda()) == pytest.approx(metric(sr, gt), abs=1e-6)
