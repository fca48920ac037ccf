"""Many images at once score as each alone, on every path, in bounded memory."""

from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import Tensor

from adasr.metrics import Metric, MetricError, pixels
from adasr.metrics.pixels import scored_levels
from adasr.metrics.ssim import _band_ssim
from adasr.registry import METRIC_REGISTRY

ADDITIVE = {"psnr": lambda a, b: (a - b).square().sum(dim=(1, 2, 3)), "ssim": _band_ssim}


def build(name: str, **options: object) -> Metric:
    return METRIC_REGISTRY.build({"type": name, **options})


def batch(count: int = 3, channels: int = 3, height: int = 150, width: int = 90) -> list[Tensor]:
    """SR and GT (N, C, H, W), the first pair of them equal, with a little structure."""
    coarse = torch.rand(count, channels, 9, 11)
    gt = torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic").clamp(0, 1)
    sr = gt + 0.05 * torch.randn(gt.shape)
    sr[0] = gt[0]
    return [sr, gt]


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several blocks and bands in a small image."""
    monkeypatch.setattr(pixels, "_ROWS", 40)
    monkeypatch.setattr(pixels, "_COLUMNS", 33)
    monkeypatch.setattr(pixels, "_BAND", 2**18)


@pytest.mark.parametrize("name", ["psnr", "ssim"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("y_only", [False, True])
@pytest.mark.parametrize("quantize", [True, False])
def test_each_image_scores_as_alone(
    name: str, channels: int, y_only: bool, quantize: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    metric = build(name, crop_border=3, test_y_channel=y_only, quantize=quantize)
    sr, gt = batch(channels=channels)
    alone = [metric(a, b) for a, b in zip(sr, gt, strict=True)]
    monkeypatch.setattr(pixels, "_ROWS", 40)  # blocks must not show
    monkeypatch.setattr(pixels, "_COLUMNS", 33)
    assert metric.batch(sr, gt) == pytest.approx(alone, abs=1e-12)
    assert alone[0] == (math.inf if name == "psnr" else pytest.approx(1, abs=1e-12))


@pytest.mark.parametrize("name", ["psnr", "ssim"])
@pytest.mark.parametrize("y_only", [False, True])
@pytest.mark.parametrize("quantize", [True, False])
def test_torch_gives_what_compiled_loops_give(
    small_blocks: None, name: str, y_only: bool, quantize: bool
) -> None:
    """The path of a GPU, on the CPU."""
    sr, gt = batch()
    metric = build(name, test_y_channel=y_only, quantize=quantize)
    margin = 10 if name == "ssim" else 0
    sums = pixels.band_sums(sr, gt, y_only, quantize, margin, ADDITIVE[name])
    planes = 1 if y_only else 3
    means = [s / (planes * (150 - margin) * (90 - margin)) for s in sums]
    if name == "psnr":
        means = [math.inf if m == 0 else 10 * math.log10(255**2 / m) for m in means]
    assert metric.batch(sr, gt) == pytest.approx(means, abs=1e-7)


@pytest.mark.parametrize("name", ["psnr", "ssim"])
@pytest.mark.parametrize("y_only", [False, True])
def test_eight_bit_images_are_taken_as_they_are(name: str, y_only: bool) -> None:
    metric = build(name, test_y_channel=y_only)
    floats = [image.clamp(0, 1) for image in batch()]
    whole = [(image * 255).round().to(torch.uint8) for image in floats]
    expected = metric.batch(*floats)
    assert metric.batch(*whole) == expected
    assert metric.batch(whole[0], floats[1]) == expected
    assert metric(whole[0][1], whole[1][1]) == expected[1]
    assert torch.equal(
        scored_levels(whole[0], y_only, True), scored_levels(floats[0], y_only, True)
    )


def test_layout_and_type_do_not_matter() -> None:
    sr, gt = batch()
    for name in ("psnr", "ssim"):
        metric = build(name, crop_border=2)
        expected = metric.batch(sr, gt)
        strided = sr.to(memory_format=torch.channels_last)
        assert metric.batch(strided, gt.flip(-1).flip(-1)) == expected
        assert metric.batch(sr.double(), gt.double()) == expected
        assert metric.batch(sr.requires_grad_(), gt) == expected
        low = build(name)(sr[1].bfloat16(), gt[1])
        assert low == build(name)(sr[1].bfloat16().float(), gt[1])


def test_threads_do_not_change_a_score(small_blocks: None) -> None:
    sr, gt = batch()
    before = torch.get_num_threads()
    try:
        found = []
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            found.append([build(name).batch(sr, gt) for name in ("psnr", "ssim")])
    finally:
        torch.set_num_threads(before)
    assert found[0] == found[1] == found[2]


def test_one_image_with_nan_spoils_no_other() -> None:
    sr, gt = batch()
    sr[1, 0, 30, 30] = math.nan
    sr[2, 0, 3, 3] = math.inf  # white, as a file would have it
    for name in ("psnr", "ssim"):
        values = build(name).batch(sr, gt)
        assert math.isnan(values[1])
        assert values[0] == build(name)(sr[0], gt[0])
        assert math.isfinite(values[2])


def test_batches_that_do_not_compare_are_refused() -> None:
    metric = build("psnr")
    sr, gt = batch()
    with pytest.raises(MetricError, match=r"\(3, 150, 90\).*\(3, 149, 90\)"):
        metric.batch(sr, gt[:, :, 1:])
    with pytest.raises(MetricError, match="ground truth, and there is none"):
        metric(sr[0])
    with pytest.raises(MetricError, match="uint8 or float"):
        metric.batch(sr.int(), gt.int())
    with pytest.raises(MetricError, match="shape"):
        metric.batch(sr[0], gt[0])
    assert metric.batch(sr[:0], gt[:0]) == []


def test_a_metric_of_ones_own_needs_a_score_only() -> None:
    class Brightness(Metric):
        name = "brightness"
        needs_gt = False

        def score(self, sr: Tensor, gt: Tensor) -> float:
            assert sr.dtype == torch.float64
            return sr.mean().item()

    images = torch.stack([torch.full((3, 8, 8), value) for value in (0.2, 0.4, 2.0)])
    assert Brightness().batch(images) == pytest.approx([0.2, 0.4, 1.0])
    assert Brightness()(images[1]) == pytest.approx(0.4)


_PEAK = """
import sys, torch
sys.path.insert(0, "benchmarks")
from memory import peak_mib
from adasr.registry import METRIC_REGISTRY
sr, gt = (torch.randint(0, 256, (3, 4320, 7680), dtype=torch.uint8) for _ in range(2))
metrics = [METRIC_REGISTRY.build({"type": n, "test_y_channel": y})
           for n in ("psnr", "ssim") for y in (False, True)]
small = [image[:, :64, :64] for image in (sr, gt)]
for metric in metrics:
    metric(*small)
before = peak_mib()
for metric in metrics:
    assert metric(sr, gt) > 0
print(peak_mib() - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak from /proc")
def test_memory_does_not_grow_with_the_image() -> None:
    """8K: one plane alone in float64 is 253 MiB."""
    done = subprocess.run([sys.executable, "-c", _PEAK], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 64


def test_scores_are_those_of_scipys_filters() -> None:
    """SSIM written out with another library's Gaussian, which shares no code with ours."""
    from scipy.ndimage import correlate1d

    sr, gt = ((image[1, 0].clamp(0, 1) * 255).round().double().numpy() for image in batch())
    weights = np.exp(-(np.arange(-5, 6) ** 2) / (2 * 1.5**2))
    weights /= weights.sum()

    def mean(plane: np.ndarray) -> np.ndarray:
        filtered = correlate1d(correlate1d(plane, weights, axis=0), weights, axis=1)
        return filtered[5:-5, 5:-5]

    a, b = mean(sr), mean(gt)
    c1, c2 = 2.55**2, 7.65**2
    variances = mean(sr * sr) - a * a + mean(gt * gt) - b * b
    covariance = mean(sr * gt) - a * b
    ratio = (2 * a * b + c1) * (2 * covariance + c2) / ((a * a + b * b + c1) * (variances + c2))
    planes = [torch.from_numpy(p.astype(np.uint8))[None] for p in (sr, gt)]
    assert build("ssim")(*planes) == pytest.approx(ratio.mean(), abs=1e-12)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("name", ["psnr", "ssim"])
def test_a_batch_on_the_gpu_is_that_of_the_cpu(name: str, small_blocks: None) -> None:
    sr, gt = batch()
    for y_only in (False, True):
        metric = build(name, test_y_channel=y_only, crop_border=2)
        assert metric.batch(sr.cuda(), gt) == pytest.approx(metric.batch(sr, gt), abs=1e-6)
