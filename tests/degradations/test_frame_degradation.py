"""A crop is computed alone as a part of its frame; borders, grids and positions are the frame's."""

from __future__ import annotations

import resource
import threading

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from adasr.degradations.frame_degradation import FrameDegradation, draw_crops
from adasr.degradations.operators import Jpeg, PoissonNoise, plan, resized_by, run
from adasr.degradations.regions import Region, grown, reach, whole
from adasr.registry import DEGRADATION_REGISTRY

RANDOM = ["RealESRGAN", "RealESRGANFirstOrder"]
SILENT = {"noise_range": [0, 0], "gaussian_noise_prob": 1.0}


def _build(kind: str = "RealESRGAN", scale: int = 4, **options) -> FrameDegradation:
    return DEGRADATION_REGISTRY.build({"type": kind, **options}, scale=scale)


def _silent(kind: str, **options) -> FrameDegradation:
    both = {f"{k}2": v for k, v in SILENT.items()} if kind == "RealESRGAN" else {}
    return _build(kind, **SILENT, **both, **options)


def _generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def frames(picture) -> Tensor:
    """(8, 3, 200, 200) uint8."""
    big = np.pad(picture, ((0, 60), (0, 20), (0, 0)), mode="reflect")
    crops = [big[i : i + 200, 3 * i : 3 * i + 200] for i in range(8)]
    return torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2).contiguous()


@pytest.mark.parametrize("kind", RANDOM)
@pytest.mark.parametrize("method", ["codec", "simulated", "released"])
def test_without_noise_a_crop_is_the_crop_of_the_whole_frame(frames, kind, method):
    degradation, differing = _silent(kind, jpeg_method=method), 0
    for seed in range(2):
        lq, gt = degradation(frames, _generator(seed), gt_size=64)
        stream = _generator(seed)
        crops = draw_crops(8, (200, 200), 64, 4, stream)
        for i, operators in enumerate(degradation._draw(8, (200, 200), stream)):
            everything = whole((50, 50))
            all_lq, all_gt = degradation._pair(frames[i], operators, everything, False)
            assert (crops[i].scaled(4).cut(all_gt, whole((200, 200))) - gt[i]).abs().max() < 1e-6
            # A last bit may tip a rounding to 8 bits, and with it a block of JPEG.
            gap = (crops[i].cut(all_lq, everything) - lq[i]).abs()
            differing += bool(gap.max() > 1e-6)
            assert gap.mean() < 2e-3
    assert differing <= 3  # of 16


@pytest.mark.parametrize("length", [1, 2, 9, 30])
@pytest.mark.parametrize("span", [(0, 1), (3, 5), (0, 9), (8, 9), (20, 30), (29, 30)])
def test_grown_mirrors_at_the_borders_of_the_frame(length, span):
    if span[1] > length:
        pytest.skip("not in the frame")
    size, want = (length, 12), Region(span, (2, 9))
    frame = torch.arange(length * 12.0).view(1, length, 12)
    for radius in (0, 1, 4, 11):
        have = want.mapped(
            lambda s, r=radius: reach(s, r, length), lambda s, r=radius: reach(s, r, 12)
        )
        ours = grown(have.cut(frame, whole(size)), have, want, radius, size)
        padded = np.pad(frame[0].numpy(), 11, mode="reflect" if length > 1 else "symmetric")
        if length == 1:
            padded = np.tile(np.pad(frame[0, 0].numpy(), 11, mode="reflect"), (23, 1))
        rows = slice(span[0] + 11 - radius, span[1] + 11 + radius)
        assert np.array_equal(ours[0].numpy(), padded[rows, 13 - radius : 20 + radius])


def test_jpeg_takes_whole_blocks_and_what_chroma_is_made_of():
    compress = Jpeg(50.0, "codec", (100, 60))
    assert compress.before(Region((16, 32), (17, 31))) == Region((0, 48), (16, 32))
    assert compress.before(Region((0, 1), (50, 60))) == Region((0, 16), (48, 60))


@pytest.mark.parametrize("factor", [0.2, 0.77, 1.004, 1.4])
def test_the_first_resize_is_by_the_nominal_factor(factor, frames):
    """As ``interpolate(scale_factor=...)``, also where only the rounded sizes are equal."""
    image = frames[0].float()[:, :120] / 255
    for mode in ("area", "bilinear", "bicubic"):
        resize = resized_by((120, 200), factor, mode)
        expected = F.interpolate(image[None], scale_factor=factor, mode=mode)[0]
        regions = plan([resize], whole(resize.size))
        ours = run([resize], regions[0].cut(image, whole((120, 200))), regions)
        torch.testing.assert_close(ours, expected, atol=2e-6, rtol=0)


@pytest.mark.parametrize("gray", [False, True])
def test_the_level_count_of_poisson_noise_is_that_of_the_frame(gray):
    """A flat crop has one level, its frame 256: its noise must be that of 256 counts."""
    flat, ramp = torch.full((3, 64, 64), 0.5), torch.linspace(0, 1, 4096).expand(3, 1, -1)
    region, noisy = whole((64, 64)), {}
    for thumbnail in (None, ramp):
        operator = PoissonNoise(1.0, gray, _generator(), thumbnail)
        noisy[thumbnail is None] = float((operator(flat, region, region) - flat).var())
    level = 128 / 255  # what 0.5 is rounded to
    assert noisy[True] > 0.1  # of one count
    assert noisy[False] == pytest.approx(level / 256, rel=0.1)


@pytest.mark.parametrize("scale", [1, 2, 3, 4])
def test_frames_are_a_multiple_of_the_scale_and_hold_a_crop(scale):
    for frame, gt_size in ((400, 12 * scale), (1, 120 * scale), (50, 24 * scale)):
        side = _build(scale=scale, frame=frame).frame_size(gt_size)
        assert side % scale == 0
        assert max(frame, gt_size) <= side < max(frame, gt_size) + scale


def test_crops_are_drawn_from_everywhere_in_the_frame():
    crops = draw_crops(4000, (48, 80), 32, 4, _generator())
    tops = np.bincount([crop.rows[0] for crop in crops], minlength=5)
    lefts = np.bincount([crop.columns[0] for crop in crops], minlength=13)
    assert len(tops) == 5 and len(lefts) == 13
    assert tops.min() > 650 and lefts.min() > 220
    assert all(crop.size == (8, 8) for crop in crops)


@pytest.mark.parametrize("kind", RANDOM)
def test_bytes_and_floats_and_any_number_of_threads_give_the_same(frames, kind):
    degradation, threads = _build(kind), torch.get_num_threads()
    results = []
    try:
        for count in (1, 2, 5):
            torch.set_num_threads(count)
            results.append(degradation(frames, _generator(), gt_size=64))
            assert torch.get_num_threads() == count
            results.append(degradation(frames.float() / 255, _generator(), gt_size=64))
    finally:
        torch.set_num_threads(threads)
    for other in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(results[0], other, strict=True))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_frames_of_any_float_type(frames, dtype):
    degrade = _build(noise_range=(0, 1))
    expected, _ = degrade(frames.to(dtype).float(), _generator(), gt_size=32)
    lq, gt = degrade(frames.to(dtype), _generator(), gt_size=32)
    assert torch.equal(lq, expected)
    assert gt.dtype == torch.float32


def test_in_inference_mode(frames):
    expected, _ = _build()(frames, _generator(), gt_size=32)
    with torch.inference_mode():
        lq, _ = _build()(frames, _generator(), gt_size=32)
    assert torch.equal(lq, expected)


def test_threads_end_with_the_call(frames):
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        _build()(frames, _generator(), gt_size=64)
    finally:
        torch.set_num_threads(threads)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("adasr")]


@pytest.mark.parametrize("side", [8, 12])
@pytest.mark.parametrize("level", [0, 255])
@pytest.mark.parametrize("kind", RANDOM)
def test_tiny_and_flat_frames(side, level, kind):
    frames = torch.full((8, 3, side, side), level, dtype=torch.uint8)
    for gt_size in (None, 4):
        lq, gt = _build(kind)(frames, _generator(), gt_size=gt_size)
        assert lq.isfinite().all() and lq.min() >= 0 and lq.max() <= 1
        assert (gt * 255).allclose(torch.tensor(float(level)), atol=1e-3)


@pytest.mark.parametrize(
    ("shape", "gt_size", "says"),
    [
        ((2, 1, 16, 16), None, "(N, 3, H, W)"),
        ((3, 16, 16), None, "(N, 3, H, W)"),
        ((2, 3, 18, 16), None, "multiple"),
        ((2, 3, 16, 16), 20, "20"),
        ((2, 3, 16, 16), 6, "multiple"),
    ],
)
def test_frames_that_do_not_fit_are_refused(shape, gt_size, says):
    with pytest.raises(ValueError, match=says.replace("(", r"\(").replace(")", r"\)")):
        _build()(torch.zeros(shape), _generator(), gt_size=gt_size)


@pytest.mark.slow
def test_memory_does_not_grow(frames):
    degradation, threads = _build(), torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        peaks = []
        for seed in range(300):
            degradation(frames, _generator(seed), gt_size=64)
            peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    finally:
        torch.set_num_threads(threads)
    assert peaks[-1] - peaks[99] < 20 * 1024  # KiB


@torch.no_grad()
def _released(gt: Tensor, operators) -> Tensor:
    """Operators' parameters through BasicSR's own filter and interpolation."""
    from basicsr.utils import DiffJPEG
    from basicsr.utils.img_process_util import filter2D

    jpeger, image = DiffJPEG(differentiable=False), gt[None]
    for operator in operators:
        match operator:
            case _ if hasattr(operator, "kernel"):
                table = torch.from_numpy(operator.kernel.table)[None]
                image = filter2D(image, F.pad(table, [(21 - table.shape[-1]) // 2] * 4))
            case _ if hasattr(operator, "rows"):
                rows = operator.rows
                where = {"size": operator.size} if rows.factor is None else {}
                where = where or {"scale_factor": rows.factor}
                image = F.interpolate(image, mode=rows.mode, **where)
            case Jpeg(quality):
                image = jpeger(image.clamp(0, 1), torch.tensor([quality]))
            case _:
                image = image.clamp(0, 1)  # noise of strength 0
    return ((image * 255).round().clamp(0, 255) / 255)[0]


def test_without_noise_lq_equals_that_of_basicsr(basicsr, frames):
    """The same kernels, factors, modes and qualities: BasicSR's filters, resizes and DiffJPEG."""
    from basicsr.utils import USMSharp

    degradation = _silent("RealESRGAN", jpeg_method="released")
    stream = _generator(3)
    crops = draw_crops(8, (200, 200), 64, 4, stream)
    operators = degradation._draw(8, (200, 200), stream)
    lq, gt = degradation(frames, _generator(3), gt_size=64)
    sharp = USMSharp()(frames.float() / 255)
    errors = []
    for i in range(8):
        expected = _released(sharp[i], operators[i])
        errors.append(
            float((crops[i].cut(expected, whole((50, 50))) - lq[i]).square().mean() ** 0.5)
        )
        target = crops[i].scaled(4).cut(sharp[i], whole((200, 200)))
        assert (target - gt[i]).abs().mean() < 0.02 / 255
    # Sharpening differs by hundredths of a level, which tips single coefficients of JPEG.
    assert float(np.median(errors)) < 0.3 / 255
    assert max(errors) < 2 / 255
