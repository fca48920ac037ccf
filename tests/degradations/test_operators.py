"""A part of a frame that is degraded alone is that part of the degraded frame, by any reference."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from scipy import ndimage
from torch import Tensor

from adasr.degradations.correlate import trimmed
from adasr.degradations.kernels import FAMILIES, FAMILY_PROB, KernelMix
from adasr.degradations.operators import (
    Filter,
    GaussianNoise,
    Jpeg,
    Operator,
    PoissonNoise,
    plan,
    resized_by,
    resized_to,
    run,
)
from adasr.degradations.regions import Region, whole
from adasr.degradations.resize import MODES
from adasr.degradations.sharpening import before_sharpening, sharpen

# Corners, the middle, one pixel and all of a frame of 160x208, which all references see whole.
REGIONS = [
    Region((0, 24), (0, 40)),
    Region((131, 160), (170, 208)),
    Region((57, 89), (64, 96)),
    Region((77, 78), (3, 4)),
    Region((0, 160), (0, 208)),
]


@pytest.fixture(scope="session")
def frame(picture) -> Tensor:
    """(3, 160, 208) in [0, 1]."""
    return torch.from_numpy(picture).permute(2, 0, 1).contiguous() / 255


def _part(operator: Operator, frame: Tensor, region: Region) -> Tensor:
    regions = plan([operator], region)
    seen = regions[0].cut(frame, whole(tuple(frame.shape[-2:])))
    return run([operator], seen.clone(), regions)


def _expected(result: Tensor | np.ndarray, region: Region) -> Tensor:
    result = torch.as_tensor(np.asarray(result)).float()
    return region.cut(result, whole(tuple(result.shape[-2:])))


@pytest.mark.parametrize("region", REGIONS)
@pytest.mark.parametrize("family", [*FAMILIES, "sinc"])
def test_filter_equals_scipy(frame, region, family):
    mix = KernelMix(
        blur_kernel_size=21,
        kernel_list=FAMILIES,
        kernel_prob=tuple(float(name == family) for name in FAMILIES)
        if family != "sinc"
        else FAMILY_PROB,
        blur_sigma=(0.2, 3.0),
        betag_range=(0.5, 4.0),
        betap_range=(1.0, 2.0),
        sinc_prob=float(family == "sinc"),
    )
    kernels = mix.draw(6, torch.Generator().manual_seed(5))
    for table, kernel in zip(kernels.double().numpy(), trimmed(kernels), strict=True):
        planes = [ndimage.correlate(p, table, mode="mirror") for p in frame.double().numpy()]
        ours = _part(Filter(kernel, (160, 208)), frame, region)
        torch.testing.assert_close(ours, _expected(np.stack(planes), region), atol=3e-6, rtol=0)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("size", [(29, 40), (160, 208), (61, 97), (233, 301), (1, 1), (480, 7)])
def test_resize_to_a_size_equals_interpolate(frame, mode, size):
    result = F.interpolate(frame[None], size=size, mode=mode)[0]
    for region in _regions(size):
        ours = _part(resized_to((160, 208), size, mode), frame, region)
        torch.testing.assert_close(ours, _expected(result, region), atol=2e-6, rtol=0)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "factor", [0.151, 0.3333, 0.77, 0.9999, 1.0, 1.0001, 1.005, 1.2345, 1.4999]
)
def test_resize_by_a_factor_equals_interpolate(frame, mode, factor):
    result = F.interpolate(frame[None], scale_factor=factor, mode=mode)[0]
    operator = resized_by((160, 208), factor, mode)
    assert operator.size == tuple(result.shape[-2:])
    for region in _regions(operator.size):
        ours = _part(operator, frame, region)
        torch.testing.assert_close(ours, _expected(result, region), atol=2e-6, rtol=0)


def _regions(size: tuple[int, int]) -> list[Region]:
    (h, w), rows = size, (size[0] // 3, size[0] // 3 + max(1, size[0] // 4))
    return [whole(size), Region(rows, (max(0, w - 5), w)), Region((0, min(h, 3)), (0, min(w, 9)))]


@pytest.mark.parametrize("region", REGIONS)
@pytest.mark.parametrize("quality", [30, 75])
@pytest.mark.parametrize("method", ["codec", "simulated"])
def test_jpeg_equals_pillow(frame, picture, region, quality, method):
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=quality, subsampling="4:2:0")
    result = np.asarray(Image.open(file)).transpose(2, 0, 1) / 255
    ours = _part(Jpeg(float(quality), method, (160, 208)), frame, region)
    error = (ours - _expected(result, region)).abs()
    assert (error > 1e-5).double().mean() <= (0 if method == "codec" else 1e-3)


@pytest.mark.parametrize("region", REGIONS)
@pytest.mark.parametrize("size", [(160, 208), (150, 203)])
def test_released_jpeg_equals_basicsr(basicsr, frame, region, size):
    from basicsr.utils import DiffJPEG

    # Noise keeps quotients away from ties, which may turn out either way.
    image = (frame[:, : size[0], : size[1]] + 0.02 * torch.rand(3, *size)).clamp(0, 1)
    with torch.no_grad():
        result = DiffJPEG(differentiable=False)(image[None], torch.tensor([47.3]))[0]
    inside = Region(
        (min(region.rows[0], size[0] - 1), min(region.rows[1], size[0])),
        (min(region.columns[0], size[1] - 1), min(region.columns[1], size[1])),
    )
    ours = _part(Jpeg(47.3, "released", size), image, inside)
    torch.testing.assert_close(ours, _expected(result, inside), atol=1e-5, rtol=0)


@pytest.mark.parametrize("region", REGIONS)
def test_sharpening_is_basicsrs_within_a_sixteenth_of_a_level(basicsr, frame, region):
    from basicsr.utils import USMSharp

    with torch.no_grad():
        result = USMSharp()(frame[None])[0]
    assert (result - frame).abs().max() > 0.1  # it does something to this picture
    source = before_sharpening(region, (160, 208))
    seen = source.cut(frame, whole((160, 208))).clone()
    ours = sharpen(seen, source, region, (160, 208))
    error = (ours - _expected(result, region)).abs()
    assert error.mean() < 1 / 16 / 255
    assert error.max() < 6 / 255  # where the mask of a pixel at the threshold turns out otherwise


@pytest.mark.parametrize("gray", [False, True])
@pytest.mark.parametrize("kind", ["gaussian", "poisson"])
def test_noise_has_basicsr_moments(basicsr, frame, kind, gray):
    from basicsr.data import degradations as reference

    torch.manual_seed(0)
    generator, image = torch.Generator().manual_seed(0), frame[None]
    as_theirs = torch.tensor([float(gray)])
    if kind == "gaussian":
        theirs = reference.add_gaussian_noise_pt(image, 15.0, as_theirs)[0]
        operator = GaussianNoise(15.0, gray, generator)
    else:
        theirs = reference.add_poisson_noise_pt(image, 1.5, gray_noise=as_theirs)[0]
        operator = PoissonNoise(1.5, gray, generator)
    a, b = _part(operator, frame, whole((160, 208))) - frame, theirs - frame
    bright = frame > 0.5
    for part in (bright, ~bright):
        assert a[part].std().item() == pytest.approx(b[part].std().item(), rel=0.03)
        assert a[part].mean().item() == pytest.approx(b[part].mean().item(), abs=0.002)
    ours_corr, theirs_corr = (np.corrcoef(x.flatten(1).numpy()) for x in (a, b))
    np.testing.assert_allclose(ours_corr, theirs_corr, atol=0.05)


@pytest.mark.parametrize("level", [0.0, 0.3, 1.0])
def test_poisson_noise_of_a_flat_image_has_its_distribution(level):
    """One distinct level: one count a pixel, Poisson of rate ``level``; black stays black."""
    flat = torch.full((3, 200, 200), level)
    noisy = _part(
        PoissonNoise(1.0, False, torch.Generator().manual_seed(0)), flat, whole((200, 200))
    )
    # Clamped: what is 1 or more is 1.
    level = round(level * 255) / 255
    assert (noisy > 0.5).double().mean().item() == pytest.approx(1 - np.exp(-level), abs=0.01)
