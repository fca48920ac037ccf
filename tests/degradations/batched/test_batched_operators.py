"""Every batched operator equals the plain one done to each sample at its own size."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from adasr.degradations.batched import canvas, filters, jpeg, noise, resizing
from adasr.degradations.blur import usm_sharp
from adasr.degradations.jpeg_released import released_jpeg
from adasr.degradations.jpeg_simulated import simulated_jpeg

DEVICES = [
    "cpu",
    pytest.param(
        "cuda",
        marks=[
            pytest.mark.gpu,
            pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
        ],
    ),
]
SIZES = [(40, 64), (64, 64), (17, 33), (1, 5), (48, 3), (2, 2), (64, 31), (33, 16)]
MODES = ("area", "bilinear", "bicubic")

on_devices = pytest.mark.parametrize("device", DEVICES)


@pytest.fixture
def samples(picture: np.ndarray) -> list[Tensor]:
    """One (1, 3, h, w) image of each of ``SIZES``."""
    image = torch.from_numpy(picture).permute(2, 0, 1)[None] / 255
    return [image[..., i * 9 :, i * 13 :][..., :h, :w] for i, (h, w) in enumerate(SIZES)]


def _canvas(samples: list[Tensor], device: str, fill: float = 7.0) -> tuple[Tensor, Tensor]:
    """The samples on 64x64 canvases whose other pixels must not matter, and their sizes."""
    images = torch.full((len(samples), 3, 64, 64), fill)
    for image, sample in zip(images, samples, strict=True):
        image[:, : sample.shape[-2], : sample.shape[-1]] = sample[0]
    sizes = torch.tensor([sample.shape[-2:] for sample in samples])
    return images.to(device), sizes.to(device)


def _assert_equal(result: Tensor, expected: list[Tensor], atol: float) -> None:
    assert result.isfinite().all()
    for image, reference in zip(result.cpu(), expected, strict=True):
        part = image[:, : reference.shape[-2], : reference.shape[-1]]
        torch.testing.assert_close(part[None], reference, atol=atol, rtol=0)


@on_devices
@pytest.mark.parametrize("side", [3, 21])
def test_filter_equals_opencv_at_every_sample_s_border(samples, device, side):
    kernels = torch.rand(len(samples), side, side, generator=torch.Generator().manual_seed(0))
    kernels /= kernels.sum((1, 2), keepdim=True)

    def reference(sample: Tensor, kernel: Tensor) -> Tensor:
        # NumPy folds a border that is wider than the image, which OpenCV does not for (1, 5).
        radius, image = side // 2, sample[0].permute(1, 2, 0).numpy()
        wide = np.pad(image, ((radius, radius), (radius, radius), (0, 0)), mode="reflect")
        result = cv2.filter2D(np.ascontiguousarray(wide), -1, kernel.numpy())
        result = result[radius : radius + image.shape[0], radius : radius + image.shape[1]]
        return torch.from_numpy(result).permute(2, 0, 1)[None]

    result = filters.filter2d(*_canvas(samples, device), kernels.to(device))
    _assert_equal(result, [reference(*pair) for pair in zip(samples, kernels, strict=True)], 5e-6)


@on_devices
def test_the_identity_kernel_changes_nothing(samples, device):
    images, sizes = _canvas(samples, device)
    kernel = filters.identity_kernel(torch.zeros(1, 21, 21, device=device))[None]
    _assert_equal(filters.filter2d(images, sizes, kernel), samples, 2e-6)


@on_devices
def test_unsharp_masking_equals_the_one_of_the_cpu(batch, device):
    sharp = filters.usm_sharp(batch.to(device)).cpu()
    # A pixel at the threshold may fall on the other side; the mask is blurred after that.
    torch.testing.assert_close(sharp, usm_sharp(batch), atol=1e-4, rtol=0)


@pytest.mark.parametrize("smallest", [1, 7, 50, 429, 620])
def test_lengths_of_transforms_are_even_and_smooth(smallest):
    length = filters.fft_length(smallest)
    assert smallest <= length <= 1.2 * smallest + 2
    assert length % 2 == 0
    for prime in (2, 3, 5, 7):
        while length % prime == 0:
            length //= prime
    assert length == 1


@on_devices
@pytest.mark.parametrize("goal", [(9, 5), (64, 80), (96, 96), (40, 64), (1, 1)])
def test_resize_equals_interpolate_in_every_mode(samples, device, goal):
    images, sizes = _canvas(samples, device, fill=0.0)
    for shift in range(3):
        modes = [(i + shift) % 3 for i in range(len(samples))]
        goals = [(max(1, goal[0] - i % 2), goal[1] + i % 3) for i in range(len(samples))]
        result = resizing.resize(
            images,
            sizes,
            torch.tensor(goals, device=device),
            torch.tensor(modes, device=device),
            (96, 99),
            (max(1, goal[0] - 1), goal[1]),
        )
        assert result.shape[-2:] == (96, 99)
        expected = [
            F.interpolate(sample, size=size, mode=MODES[mode])
            for sample, size, mode in zip(samples, goals, modes, strict=True)
        ]
        _assert_equal(result, expected, 2e-5)


@on_devices
@pytest.mark.parametrize("factor", [0.15, 0.37, 1.31])
def test_resize_by_a_nominal_factor_equals_interpolate(samples, device, factor):
    # Where the rounded size is the old one, interpolate copies whatever the factor.
    samples = [s for s in samples if 1 <= int(min(s.shape[-2:]) * factor) != min(s.shape[-2:])]
    images, sizes = _canvas(samples, device, fill=0.0)
    targets = (sizes * factor).long()
    for number, mode in enumerate(MODES):
        modes = torch.full((len(samples),), number, device=device)
        factors = torch.full((len(samples),), factor, device=device, dtype=torch.float64)
        result = resizing.resize(images, sizes, targets, modes, (96, 96), (1, 1), factors)
        expected = [F.interpolate(s, scale_factor=factor, mode=mode) for s in samples]
        _assert_equal(result, expected, 2e-5)


@on_devices
def test_the_canvas_beyond_a_resized_sample_repeats_its_edge(samples, device):
    images, sizes = _canvas(samples[:1], device)
    target, mode = torch.tensor([[20, 30]], device=device), torch.tensor([2], device=device)
    result = resizing.resize(images, sizes, target, mode, (32, 48), (20, 30))[0].cpu()
    assert torch.equal(result[:, 20:], result[:, 19:20].expand(-1, 12, -1))
    assert torch.equal(result[:, :, 30:], result[:, :, 29:30].expand(-1, -1, 18))


@on_devices
@pytest.mark.parametrize("halved", [True, False])
def test_jpeg_equals_that_of_each_sample_at_its_own_size(samples, device, halved):
    quality = torch.linspace(12, 98, len(samples))
    result = jpeg.simulated(*_canvas(samples, device), quality.to(device), halved)
    expected = [
        simulated_jpeg(sample, q[None], halved) for sample, q in zip(samples, quality, strict=True)
    ]
    _assert_equal(result, expected, 1e-6 if device == "cpu" else 3 / 255)


@on_devices
def test_released_jpeg_equals_that_of_each_sample_at_its_own_size(samples, device):
    quality = torch.linspace(12, 98, len(samples))
    result = jpeg.released(*_canvas(samples, device), quality.to(device))
    expected = [released_jpeg(s, q[None]) for s, q in zip(samples, quality, strict=True)]
    _assert_equal(result, expected, 1e-5 if device == "cpu" else 3 / 255)


def _noisy(images: Tensor, sizes: Tensor, poisson: bool, strength: float, gray: bool) -> Tensor:
    n, device = len(images), images.device
    return noise.add_noise(
        images,
        sizes,
        torch.full((n,), poisson, device=device),
        torch.full((n,), strength, device=device),
        torch.full((n,), gray, device=device),
        torch.Generator(device).manual_seed(0),
    )


@on_devices
@pytest.mark.parametrize("gray", [True, False])
def test_gaussian_noise_has_the_asked_deviation(device, gray):
    images = torch.full((2, 3, 200, 200), 0.5, device=device)
    added = _noisy(images, canvas.full_sizes(images), False, 20.0, gray) - images
    assert added.mean().abs() < 5e-4
    assert added.std().item() == pytest.approx(20 / 255, rel=0.02)
    assert torch.equal(added[:, 0], added[:, 1]) == gray
    assert not torch.equal(added[0], added[1])


@on_devices
@pytest.mark.parametrize("gray", [True, False])
@pytest.mark.parametrize(("distinct", "counts"), [(1, 1), (2, 2), (5, 8), (64, 64), (130, 256)])
def test_poisson_noise_has_the_variance_of_its_counts(device, gray, distinct, counts):
    """Var = s^2 x / counts; levels outside the sample are not counted."""
    levels = torch.arange(200 * 200).remainder(distinct).view(200, 200) / 255 + 40 / 255
    image = levels.expand(1, 3, -1, -1).to(device)
    images = torch.rand(1, 3, 208, 224, device=device)
    images[..., :200, :200] = image
    sizes, scale = torch.tensor([[200, 200]], device=device), 0.1
    added = (_noisy(images, sizes, True, scale, gray) - images)[..., :200, :200]
    expected = scale**2 * image.mean() / counts
    assert added.mean().abs() < 4 * (expected / 40000).sqrt() + 1e-6
    assert added.var().item() == pytest.approx(expected.item(), rel=0.06)
    assert torch.allclose(added[:, 0], added[:, 1], atol=1e-6) == gray


@on_devices
def test_every_sample_has_its_own_noise(device):
    images = torch.full((4, 3, 64, 64), 0.5, device=device)
    result = noise.add_noise(
        images,
        canvas.full_sizes(images),
        torch.tensor([False, False, True, True], device=device),
        torch.tensor([0.0, 30.0, 0.0, 2.0], device=device),
        torch.tensor([False, True, True, False], device=device),
        torch.Generator(device).manual_seed(0),
    )
    spread = (result - images).flatten(1).std(1)
    assert spread[0] == spread[2] == 0
    assert spread[1] > 0.05
    assert spread[3] > 0.05


@on_devices
@pytest.mark.parametrize("value", [0.0, 1.0])
@pytest.mark.parametrize("poisson", [True, False])
def test_black_and_white_images_stay_in_range(device, value, poisson):
    images = torch.full((1, 3, 16, 16), value, device=device)
    result = _noisy(images, canvas.full_sizes(images), poisson, 3.0, gray=False)
    assert result.isfinite().all()
    assert result.min() >= 0
    assert result.max() <= 1


@on_devices
def test_windows_are_cut_where_each_sample_says(batch, device):
    corners = torch.tensor([[0, 0], [3, 90], [96, 96], [50, 1]])
    result = canvas.crop(batch.to(device), corners.to(device), (32, 24)).cpu()
    for image, part, (y, x) in zip(batch, result, corners.tolist(), strict=True):
        assert torch.equal(part, image[:, y : y + 32, x : x + 24])
