"""The random pipelines: what they take, what they return, and how they compare with BasicSR's."""

from __future__ import annotations

import math
import random
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from adasr.degradations.blur import gaussian_blur, usm_sharp
from adasr.degradations.jpeg import jpeg
from adasr.degradations.real_esrgan import RealESRGAN
from adasr.errors import OptionError
from adasr.registry import DEGRADATION_REGISTRY

# The option file that Real-ESRGAN published for its PSNR-oriented model.
PUBLISHED = {
    "gt_usm": True,
    "resize_prob": [0.2, 0.7, 0.1],
    "resize_range": [0.15, 1.5],
    "gaussian_noise_prob": 0.5,
    "noise_range": [1, 30],
    "poisson_scale_range": [0.05, 3],
    "gray_noise_prob": 0.4,
    "jpeg_range": [30, 95],
    "second_blur_prob": 0.8,
    "resize_prob2": [0.3, 0.4, 0.3],
    "resize_range2": [0.3, 1.2],
    "gaussian_noise_prob2": 0.5,
    "noise_range2": [1, 25],
    "poisson_scale_range2": [0.05, 2.5],
    "gray_noise_prob2": 0.4,
    "jpeg_range2": [30, 95],
    "blur_kernel_size": 21,
    "kernel_list": [
        "iso", "aniso", "generalized_iso", "generalized_aniso", "plateau_iso", "plateau_aniso",
    ],
    "kernel_prob": [0.45, 0.25, 0.12, 0.03, 0.12, 0.03],
    "sinc_prob": 0.1,
    "blur_sigma": [0.2, 3],
    "betag_range": [0.5, 4],
    "betap_range": [1, 2],
    "blur_kernel_size2": 21,
    "kernel_list2": [
        "iso", "aniso", "generalized_iso", "generalized_aniso", "plateau_iso", "plateau_aniso",
    ],
    "kernel_prob2": [0.45, 0.25, 0.12, 0.03, 0.12, 0.03],
    "sinc_prob2": 0.1,
    "blur_sigma2": [0.2, 1.5],
    "betag_range2": [0.5, 4],
    "betap_range2": [1, 2],
    "final_sinc_prob": 0.8,
}  # fmt: skip
NEXT_TO_NOTHING = {
    "resize_prob": [0, 0, 1],
    "noise_range": [0, 0],
    "gaussian_noise_prob": 1.0,
    "jpeg_range": [100, 100],
    "sinc_prob": 0.0,
    "kernel_list": ["iso"],
    "kernel_prob": [1],
    "blur_sigma": [0.1, 0.1],
    "gt_usm": False,
}


def _build(kind: str = "RealESRGAN", scale: int = 4, **options):
    return DEGRADATION_REGISTRY.build({"type": kind, **options}, scale=scale)


def _generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_the_published_options_are_the_defaults():
    by_file, by_default = _build(**PUBLISHED), _build()
    assert by_file.first == by_default.first
    assert by_file.second == by_default.second
    assert by_file.final_sinc_prob == by_default.final_sinc_prob
    assert set(PUBLISHED) == set(DEGRADATION_REGISTRY.options("RealESRGAN")) - {
        "frame",
        "jpeg_method",
    }


@pytest.mark.parametrize("kind", ["RealESRGAN", "RealESRGANFirstOrder", "Bicubic"])
@pytest.mark.parametrize("scale", [1, 2, 3, 4])
def test_a_pair_has_the_promised_shapes_and_levels(batch, kind, scale):
    degradation = _build(kind, scale)
    lq, gt = degradation(batch[..., :120, :120], _generator(), gt_size=48)
    assert gt.shape == (4, 3, 48, 48)
    assert lq.shape == (4, 3, 48 // scale, 48 // scale)
    assert lq.dtype == gt.dtype == torch.float32
    assert torch.equal(lq, (lq * 255).round() / 255)
    assert lq.min() >= 0
    assert lq.max() <= 1


@pytest.mark.parametrize("kind", ["RealESRGAN", "RealESRGANFirstOrder"])
def test_the_generator_decides_everything(batch, kind):
    degradation = _build(kind)
    first = degradation(batch, _generator(7))
    global_state = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()
    again = degradation(batch, _generator(7))
    other = degradation(batch, _generator(8))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[0], other[0])
    assert torch.equal(torch.get_rng_state(), global_state[0])
    assert np.array_equal(np.random.get_state()[1], global_state[1])
    assert random.getstate() == global_state[2]


def test_threads_and_memory_layout_change_nothing(batch):
    degradation, threads = _build(), torch.get_num_threads()
    expected = degradation(batch, _generator())
    strided = degradation(batch.to(memory_format=torch.channels_last), _generator())
    try:
        torch.set_num_threads(1)
        alone = degradation(batch, _generator())
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(threads)
    for a, b, c in zip(expected, strided, alone, strict=True):
        assert torch.equal(a, b)
        assert torch.equal(a, c)


def test_a_samples_noise_does_not_hang_on_the_content_of_the_others(batch):
    degradation = _build()
    changed = batch.clone()
    changed[0] = 0.5
    before, after = degradation(batch, _generator())[0], degradation(changed, _generator())[0]
    assert torch.equal(before[1:], after[1:])


def test_samples_of_a_batch_are_degraded_differently():
    """The same picture 16 times gives 16 strengths, not one strength for the batch."""
    picture = torch.rand(1, 3, 96, 96, generator=_generator()).expand(16, -1, -1, -1)
    lq, _ = _build()(picture, _generator())
    roughness = lq.diff(dim=-1).square().flatten(1).mean(1)
    assert roughness.max() > 4 * roughness.min()


@pytest.mark.parametrize("kind", ["RealESRGAN", "RealESRGANFirstOrder"])
def test_lq_and_gt_are_in_register(kind):
    """The mean shift of many degraded copies against their GT is far below one LQ pixel."""
    y, x = torch.meshgrid(torch.arange(128.0), torch.arange(128.0), indexing="ij")
    bump = 0.2 + 0.6 * torch.exp(-((y - 63.5) ** 2 + (x - 63.5) ** 2) / (2 * 9.0**2))
    # The first resize places samples by its nominal factor, as released, so that LQ drifts by up
    # to a pixel of the small image at the far border.
    lq, gt = _build(kind, gt_usm=False)(bump.expand(48, 3, -1, -1), _generator())

    def centre(images: Tensor, pixel: int) -> Tensor:
        weight = (images.mean(1) - 0.2).clamp(min=0.15) - 0.15
        places = (torch.arange(images.shape[-1]) + 0.5) * pixel
        total = weight.sum((1, 2))
        return torch.stack([weight.sum(2) @ places, weight.sum(1) @ places]) / total

    drift = (centre(lq, 4) - centre(gt, 1)) / 4
    assert drift.mean().abs() < 0.15


@pytest.mark.parametrize("kind", ["RealESRGAN", "RealESRGANFirstOrder"])
def test_without_degradations_only_resizing_is_left(batch, kind):
    options = dict(NEXT_TO_NOTHING)
    if kind == "RealESRGAN":
        options |= {f"{k}2": v for k, v in NEXT_TO_NOTHING.items() if k != "gt_usm"}
        options |= {"second_blur_prob": 0.0, "final_sinc_prob": 0.0}
    # Gray and smooth: nothing for 4:2:0 to lose or for a resize mode to alias.
    smooth = gaussian_blur(batch.mean(1, keepdim=True).expand(-1, 3, -1, -1), 21, 3.0)
    lq, gt = _build(kind, **options)(smooth, _generator())
    expected = F.interpolate(gt, scale_factor=0.25, mode="area")
    assert (lq - expected).abs().mean() < 2 / 255


def test_the_target_is_sharpened_with_gt_usm(batch):
    _, plain = _build(gt_usm=False)(batch, _generator())
    _, sharp = _build(gt_usm=True)(batch, _generator())
    assert sharp.diff(dim=-1).abs().mean() > 1.02 * plain.diff(dim=-1).abs().mean()


@pytest.mark.parametrize(
    ("option", "value", "says"),
    [
        ("resize_range", [0.5, 0.9], "contain 1"),
        ("resize_prob2", [0, 0, 0], "not all zero"),
        ("noise_range", [30, 1], "rising"),
        ("jpeg_range2", [0, 95], "in [1, 100]"),
        ("gray_noise_prob", -0.1, "[0, 1]"),
        ("second_blur_prob", 2.0, "[0, 1]"),
        ("final_sinc_prob", 1.1, "[0, 1]"),
        ("blur_kernel_size", 4, "odd"),
        ("blur_sigma", [0.0, 1.0], "at least"),
        ("frame", 0, "at least 1"),
        ("jpeg_method", "libjpeg", "codec"),
        ("jpeg_rang", [30, 95], "'jpeg_range"),
    ],
)
def test_a_wrong_option_is_named(option, value, says):
    with pytest.raises(OptionError) as caught:
        _build(**{option: value})
    assert caught.value.key == (option,)
    assert says in str(caught.value)


def test_a_tiny_frame_works(batch):
    lq, _ = _build()(batch[..., 60:76, 60:76], _generator())
    assert lq.shape == (4, 3, 4, 4)
    assert lq.isfinite().all()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("kind", ["RealESRGAN", "RealESRGANFirstOrder"])
def test_a_gpu_gives_the_same_pairs_from_the_same_generator(batch, kind):
    degradation = _build(kind, jpeg_method="codec")
    lq, gt = degradation(batch, _generator())
    lq_gpu, gt_gpu = degradation(batch.cuda(), _generator())
    assert lq_gpu.is_cuda
    torch.testing.assert_close(gt_gpu.cpu(), gt, atol=1e-3, rtol=0)
    # A last bit may tip a rounding, and with it a block of JPEG.
    assert (lq_gpu.cpu() - lq).abs().mean() < 0.5 / 255
    own = torch.Generator("cuda").manual_seed(0)
    lq_own, _ = _build(kind)(batch.cuda(), own)
    assert lq_own.is_cuda
    assert lq_own.isfinite().all()


def _basicsr_lq(basicsr, gt: Tensor) -> Tensor:
    """LQ of one GT by BasicSR's own dataset kernels and ``RealESRGANModel.feed_data``."""
    from basicsr.data import degradations as kernels
    from basicsr.models.realesrgan_model import RealESRGANModel

    def kernel(suffix: str) -> Tensor:
        size = random.choice(range(7, 22, 2))
        if np.random.uniform() < PUBLISHED[f"sinc_prob{suffix}"]:
            low = np.pi / 3 if size < 13 else np.pi / 5
            k = kernels.circular_lowpass_kernel(np.random.uniform(low, np.pi), size)
        else:
            sigma = PUBLISHED[f"blur_sigma{suffix}"]
            k = kernels.random_mixed_kernels(
                PUBLISHED[f"kernel_list{suffix}"],
                PUBLISHED[f"kernel_prob{suffix}"],
                size,
                sigma,
                sigma,
                [-math.pi, math.pi],
                PUBLISHED[f"betag_range{suffix}"],
                PUBLISHED[f"betap_range{suffix}"],
            )
        return torch.from_numpy(np.pad(k, (21 - size) // 2)).float()[None]

    sinc = torch.zeros(1, 21, 21)
    sinc[:, 10, 10] = 1
    if np.random.uniform() < PUBLISHED["final_sinc_prob"]:
        size = random.choice(range(7, 22, 2))
        cutoff = np.random.uniform(np.pi / 3, np.pi)
        sinc = torch.from_numpy(kernels.circular_lowpass_kernel(cutoff, size, 21)).float()[None]

    model = SimpleNamespace(
        is_train=True,
        opt={**PUBLISHED, "scale": 4, "gt_size": gt.shape[-1]},
        device=torch.device("cpu"),
        usm_sharpener=usm_sharp,  # equal, and 50 times faster
        jpeger=lambda image, quality: jpeg(image, quality, "codec"),
        _dequeue_and_enqueue=lambda: None,
    )
    data = {"gt": gt, "kernel1": kernel(""), "kernel2": kernel("2"), "sinc_kernel": sinc}
    RealESRGANModel.feed_data(model, data)
    return model.lq.detach()


@pytest.mark.slow
def test_lq_statistics_equal_those_of_basicsr(basicsr, batch):
    """Blur, noise and loss of detail over many draws.

    JPEG is libjpeg's on both sides: BasicSR's simulation of it adds a quarter of roughness.
    """
    n = 300
    gt = batch.repeat(n // 4, 1, 1, 1)
    ours, _ = RealESRGAN(4)(gt, _generator())
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)
    theirs = torch.cat([_basicsr_lq(basicsr, gt[i : i + 1]) for i in range(n)])
    assert ours.shape == theirs.shape

    def roughness(lq: Tensor) -> Tensor:
        laplacian = 4 * lq[..., 1:-1, 1:-1] - lq[..., 2:, 1:-1] - lq[..., :-2, 1:-1]
        laplacian = laplacian - lq[..., 1:-1, 2:] - lq[..., 1:-1, :-2]
        return laplacian.square().flatten(1).mean(1).sqrt()

    statistics = {
        "mean": lambda lq: lq.flatten(1).mean(1),
        "contrast": lambda lq: lq.flatten(1).std(1),
        "roughness": roughness,
        "colour": lambda lq: (lq - lq.mean(1, keepdim=True)).square().flatten(1).mean(1).sqrt(),
    }
    for name, statistic in statistics.items():
        a, b = statistic(ours).double(), statistic(theirs).double()
        error = math.sqrt((a.var() + b.var()) / n)
        assert abs(a.mean() - b.mean()) < max(4 * error, 0.03 * b.mean()), name
