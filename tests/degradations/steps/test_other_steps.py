"""Noise by its moments, JPEG by Pillow, resizing by Pillow and OpenCV."""

from __future__ import annotations

import io
import math

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from skimage.color import rgb2xyz

from adasr.degradations.blur import usm_sharp
from adasr.degradations.operators import plan, run
from adasr.degradations.recording import recorded
from adasr.degradations.regions import Region, whole
from adasr.degradations.steps.camera import to_linear, to_srgb
from adasr.degradations.steps.resize import MODES


def gray(value: float, side: int = 128) -> torch.Tensor:
    return torch.full((1, 3, side, side), value)


def test_gaussian_noise_has_its_sigma(do):
    noise = (do(gray(0.5), "GaussianNoise", noise_range=[20, 20], gray_noise_prob=0) - 0.5) * 255
    assert float(noise.std()) == pytest.approx(20, rel=0.02)
    assert abs(float(noise.mean())) < 0.5
    channels = np.corrcoef(noise[0].flatten(1).numpy())
    assert np.abs(channels - np.eye(3)).max() < 0.05
    same = do(gray(0.5), "GaussianNoise", noise_range=[20, 20], gray_noise_prob=1)
    assert torch.equal(same[:, 0], same[:, 1])


def test_correlated_noise_has_a_covariance_of_its_own(do):
    covariances = []
    for seed in range(60):
        options = {"noise_range": [2, 25], "gray_noise_prob": 0, "correlated_noise_prob": 1}
        noise = (do(gray(0.5, 64), "GaussianNoise", seed=seed, **options) - 0.5) * 255
        covariances.append(np.cov(noise[0].flatten(1).numpy()))
    # Variances along random axes are uniform up to the square of the largest sigma.
    assert np.mean([np.trace(c) / 3 for c in covariances]) == pytest.approx(25**2 / 2, rel=0.1)
    assert max(np.linalg.eigvalsh(c)[-1] for c in covariances) < 25**2 * 1.1
    correlation = [abs(c[0, 1]) / math.sqrt(c[0, 0] * c[1, 1]) for c in covariances]
    assert np.mean(correlation) > 0.1


def test_poisson_noise_grows_with_the_intensity(do):
    ramp = torch.linspace(0.1, 0.9, 256).repeat(3, 256, 1)[None]
    options = {"poisson_scale_range": [1, 1], "gray_noise_prob": 0}
    noise = do(ramp, "PoissonNoise", **options) - ramp
    variance = noise.square().mean((0, 1, 2)).view(8, 32).mean(1).numpy()
    mean = ramp[0, 0, 0].view(8, 32).mean(1).numpy()
    # About 205 levels, so 256 counts to white; variance x / 256.
    assert variance[:7] == pytest.approx(mean[:7] / 256, rel=0.1)


def test_camera_noise_is_shot_and_read_noise_in_linear_light(do):
    for value in (0.3, 0.5, 0.7):
        with recorded() as notes:
            noisy = do(gray(value), "CameraNoise", shot_noise_range=[2e-3, 2e-3])
        # Y of a gray pixel is its linear light.
        planes = noisy[0].double().numpy()
        light = np.stack([rgb2xyz(np.repeat(p[..., None], 3, 2))[..., 1] for p in planes])
        clean = rgb2xyz(np.full((1, 1, 3), value))[0, 0, 1]
        shot, read = (float(notes[0].parameters[k]) for k in ("shot", "read"))
        assert light.mean() == pytest.approx(clean, rel=0.01)
        assert light.var() == pytest.approx(shot * clean + read, rel=0.05)


def test_the_read_noise_follows_the_shot_noise_as_in_cameras(do):
    with recorded() as notes:
        for seed in range(400):
            do(gray(0.5, 2), "CameraNoise", seed=seed)
    shot, read = (np.log([float(n.parameters[k]) for n in notes]) for k in ("shot", "read"))
    slope, intercept = np.polyfit(shot, read, 1)
    assert slope == pytest.approx(2.18, abs=0.05)
    assert intercept == pytest.approx(1.2, abs=0.35)
    assert (read - slope * shot - intercept).std() == pytest.approx(0.26, abs=0.04)
    assert (shot.min(), shot.max()) == pytest.approx((math.log(1e-4), math.log(0.012)), abs=0.1)


def test_the_srgb_curve_is_undone():
    values = torch.linspace(0, 1, 1001)
    assert torch.allclose(to_srgb(to_linear(values)), values, atol=1e-5)


@pytest.mark.parametrize("quality", [10, 50, 95])
def test_jpeg_is_pillows(do, photo, quality):
    ours = do(photo, "JPEG", jpeg_range=[quality, quality])
    file = io.BytesIO()
    pixels = (photo[0].permute(1, 2, 0) * 255).round().byte().numpy()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality, subsampling="4:2:0")
    theirs = np.asarray(Image.open(file)).transpose(2, 0, 1) / 255
    assert np.abs(ours[0].numpy() - theirs).mean() < 0.3 / 255


def test_a_shifted_grid_of_blocks_starts_where_the_note_says(do, photo):
    found = set()
    for seed in range(6):
        with recorded() as notes:
            image = do(photo, "JPEG", seed=seed, jpeg_range=[5, 5], shift=True)
        assert image.shape == photo.shape
        _, left = (int(n) for n in notes[0].parameters["grid"].split(","))
        step = image.diff(dim=-1).abs().mean((0, 1, 2))[:112].view(14, 8).mean(0)
        # Column 8 k - left starts a block; the difference before it is the largest.
        assert int(step.argmax()) == (-abs(left) - 1) % 8
        found.add(left)
    assert len(found) > 2


@pytest.mark.parametrize("mode", ["area", "bilinear", "bicubic", "bicubic_antialias", "nearest"])
def test_resizing_is_that_of_pillow_or_opencv(do, photo, mode):
    ours = do(photo, "ResizeToLQ", scale=4, modes=[mode])[0].permute(1, 2, 0).numpy()
    array, size = photo[0].permute(1, 2, 0).contiguous().numpy(), (30, 24)
    if mode == "bicubic_antialias":
        planes = [
            np.asarray(Image.fromarray(p).resize(size, Image.Resampling.BICUBIC))
            for p in array.transpose(2, 0, 1)
        ]
        theirs = np.stack(planes, -1)
    elif mode == "nearest":
        theirs = array[2::4, 2::4]
    else:
        kind = {"area": cv2.INTER_AREA, "bilinear": cv2.INTER_LINEAR, "bicubic": cv2.INTER_CUBIC}
        theirs = cv2.resize(array, size, interpolation=kind[mode])
    assert np.abs(ours - theirs.clip(0, 1)).max() < 1e-4


@pytest.mark.parametrize(
    ("options", "low", "high"),
    [
        ({"resize_range": [0.5, 1.5]}, 40, 120),
        ({"resize_range": [0.5, 1.0], "relative_to": "lq"}, 10, 20),
        ({"resize_range": [0.125, 1.0], "uniform_in": "divisor"}, 10, 80),
    ],
)
def test_a_random_size_lies_in_its_range(do, options, low, high):
    image = torch.rand(1, 3, 80, 80)
    sides = [do(image, "Resize", scale=4, seed=s, **options).shape[-1] for s in range(200)]
    assert low <= min(sides) <= low + (high - low) * 0.1
    assert high * 0.9 <= max(sides) <= high
    if options.get("uniform_in") == "divisor":
        divisor = 80 / np.array(sides)
        assert divisor.mean() == pytest.approx(4.5, abs=0.6)  # of the factor it would be 1.9


def test_sharpening_is_as_strong_as_asked(do, photo):
    released = usm_sharp(photo)
    assert (do(photo, "USM", strength_range=[1, 1]) - released).abs().mean() < 0.1 / 255
    assert torch.allclose(do(photo, "USM", strength_range=[0, 0]), photo, atol=1e-6)
    double = (2 * released - photo).clamp(0, 1)
    assert (do(photo, "USM", strength_range=[2, 2]) - double).abs().mean() < 0.2 / 255


PARTS = [
    ("JPEG", {"jpeg_range": [30, 30]}),
    ("JPEG", {"jpeg_range": [30, 30], "shift": True}),
    ("Blur", {}),
    ("GaussianBlur", {"anisotropic": True}),
    ("MotionBlur", {}),
    ("DefocusBlur", {}),
    ("Sinc", {}),
    ("USM", {}),
    ("DirectDownscale", {"factor": 3}),
    *(("ResizeToLQ", {"modes": [mode]}) for mode in MODES),
    *(("Resize", {"modes": [mode], "resize_range": [0.3, 2]}) for mode in MODES),
]


@pytest.mark.parametrize(("kind", "options"), PARTS)
def test_a_part_is_computed_as_the_part_of_the_whole(draw, photo, kind, options):
    def part(region: Region) -> torch.Tensor:
        regions = plan(sample.operators, region)
        return run(sample.operators, regions[0].cut(photo[0], whole((96, 120))), regions)

    for seed in range(4):
        sample = draw((96, 120), kind, scale=4, seed=seed, **options)
        height, width = sample.size
        expected = part(whole(sample.size))
        inner = Region((height // 3, height // 2), (width // 4, width // 2))
        corner = Region((0, height // 4), (width // 2, width))
        for region in (inner, corner):
            wanted = region.cut(expected, whole(sample.size))
            # A rounding of JPEG may fall either way.
            assert (part(region) - wanted).abs().mean() < 2e-4
