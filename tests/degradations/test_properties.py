"""Whatever the size, the scale and the parameters: pairs are finite, in range and of their size."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from adasr.degradations.jpeg import jpeg
from adasr.registry import DEGRADATION_REGISTRY

KINDS = st.sampled_from(["RealESRGAN", "RealESRGANFirstOrder"])
METHODS = st.sampled_from(["auto", "codec", "simulated", "released"])
CONTENT = st.sampled_from(["noise", "black", "white", "gray", "outside"])
SEEDS = st.integers(0, 2**31)


def _images(content: str, n: int, h: int, w: int) -> Tensor:
    noise = torch.rand(n, 3, h, w, generator=torch.Generator().manual_seed(h * w))
    return {
        "noise": noise,
        "black": torch.zeros_like(noise),
        "white": torch.ones_like(noise),
        "gray": noise[:, :1].expand(-1, 3, -1, -1),
        "outside": noise * 3 - 1,
    }[content]


def _low_and_high(lowest: float, highest: float) -> st.SearchStrategy[list[float]]:
    return st.lists(st.floats(lowest, highest), min_size=2, max_size=2).map(sorted)


@settings(max_examples=60, deadline=None)
@given(KINDS, METHODS, CONTENT, st.integers(1, 4), st.integers(2, 24), st.integers(2, 24), SEEDS)
def test_pairs_of_any_image(kind, method, content, scale, height, width, seed):
    degradation = DEGRADATION_REGISTRY.build({"type": kind, "jpeg_method": method}, scale=scale)
    frames = _images(content, 2, height * scale, width * scale)
    generator = torch.Generator().manual_seed(seed)
    lq, gt = degradation(frames.clamp(0, 1), generator)
    _check_pair(lq, gt, height, width, scale)
    side = min(height, width) * scale
    lq, gt = degradation(frames.clamp(0, 1), generator, side)
    _check_pair(lq, gt, side // scale, side // scale, scale)


@settings(max_examples=40, deadline=None)
@given(
    KINDS,
    st.fixed_dictionaries(
        {
            "resize_range": st.tuples(st.floats(0.02, 1), st.floats(1, 3)).map(list),
            "noise_range": _low_and_high(0, 255),
            "poisson_scale_range": _low_and_high(0, 20),
            "jpeg_range": _low_and_high(1, 100),
            "blur_kernel_size": st.sampled_from([7, 13, 21, 41]),
            "blur_sigma": _low_and_high(0.01, 20),
            "betag_range": st.tuples(st.floats(0.1, 1), st.floats(1, 8)).map(list),
            "sinc_prob": st.floats(0, 1),
            "gaussian_noise_prob": st.floats(0, 1),
        }
    ),
    METHODS,
    SEEDS,
)
def test_pairs_of_any_parameters(kind, options, method, seed):
    again = {f"{key}2": value for key, value in options.items()} if kind == "RealESRGAN" else {}
    every = {"type": kind, "jpeg_method": method, **options, **again}
    degradation = DEGRADATION_REGISTRY.build(every, scale=4)
    lq, gt = degradation(_images("noise", 2, 48, 56), torch.Generator().manual_seed(seed), 32)
    _check_pair(lq, gt, 8, 8, 4)


@settings(max_examples=60, deadline=None)
@given(
    METHODS,
    st.sampled_from(["4:2:0", "4:4:4"]),
    CONTENT,
    st.integers(1, 40),
    st.integers(1, 40),
    st.floats(1, 100),
)
def test_jpeg_of_any_image(method, subsampling, content, h, w, quality):
    images = _images(content, 2, h, w)
    if method == "released":
        subsampling = "4:2:0"
    result = jpeg(images, torch.tensor([quality, 50.0]), method, subsampling)
    assert result.shape == images.shape
    assert result.isfinite().all()
    assert result.min() >= 0
    assert result.max() <= 1
    if content == "gray" and method != "released":
        torch.testing.assert_close(result[:, 0], result[:, 2], atol=1e-6, rtol=0)


@pytest.mark.parametrize("kind", ["RealESRGAN", "RealESRGANFirstOrder"])
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_pixels_that_are_no_numbers_are_refused(batch, kind, bad):
    batch = batch.clone()
    batch[1, 0, 5, 5] = bad
    with pytest.raises(ValueError, match="NaN"):
        DEGRADATION_REGISTRY.build({"type": kind}, scale=4)(batch, torch.Generator())


@pytest.mark.parametrize("kind", ["RealESRGAN", "RealESRGANFirstOrder"])
def test_one_channel_is_refused(batch, kind):
    with pytest.raises(ValueError, match="3, H, W"):
        DEGRADATION_REGISTRY.build({"type": kind}, scale=4)(batch[:, :1], torch.Generator())


@pytest.mark.parametrize(("poisson", "share"), [(False, 0.3), (True, 0.7)])
def test_gray_noise_has_its_probability(poisson, share):
    """A gray image stays gray, whatever is done to it, unless its noise has colours."""
    options = {
        "gray_noise_prob": share,
        "gaussian_noise_prob": float(not poisson),
        "noise_range": [20, 30],
        "poisson_scale_range": [2, 3],
        "jpeg_range": [95, 95],
        "resize_prob": [0, 0, 1],
        "gt_usm": False,
    }
    build = {"type": "RealESRGANFirstOrder", **options}
    frames = _images("gray", 1, 48, 48).expand(600, -1, -1, -1)
    lq, _ = DEGRADATION_REGISTRY.build(build, scale=1)(frames, torch.Generator().manual_seed(0), 16)
    gray = (lq - lq.mean(1, keepdim=True)).abs().flatten(1).amax(1) < 2 / 255
    spread = (share * (1 - share) / 600) ** 0.5
    assert gray.double().mean().item() == pytest.approx(share, abs=4 * spread)


def _check_pair(lq: Tensor, gt: Tensor, height: int, width: int, scale: int) -> None:
    assert lq.shape[-2:] == (height, width)
    assert gt.shape[-2:] == (height * scale, width * scale)
    for images in (lq, gt):
        assert images.isfinite().all()
        assert images.min() >= 0
        assert images.max() <= 1
    torch.testing.assert_close(lq * 255, (lq * 255).round(), atol=1e-3, rtol=0)
