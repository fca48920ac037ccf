"""Blurs against SciPy and against the moments their parameters stand for."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.ndimage
import torch

from adasr.degradations.recording import recorded
from adasr.degradations.steps.blur import gaussian_kernel, kernel_widths
from adasr.degradations.steps.defocus import disc_kernel
from adasr.degradations.steps.direct import shifted_gaussian
from adasr.degradations.steps.motion import motion_kernel


def moments(kernel: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Mean (y, x) and covariance of a (1, k, k) kernel, from its middle."""
    weight = kernel[0].double().numpy()
    side = np.arange(len(weight)) - len(weight) // 2
    y, x = np.meshgrid(side, side, indexing="ij")
    points = np.stack([y.ravel(), x.ravel()])
    mean = points @ weight.ravel()
    away = points - mean[:, None]
    return mean, (away * weight.ravel()) @ away.T


@pytest.mark.parametrize("sigma", [0.6, 1.7, 3.0])
def test_an_isotropic_blur_is_scipys(do, photo, sigma):
    ours = do(photo, "GaussianBlur", blur_sigma=[sigma, sigma], kernel_size=[21, 21])
    theirs = scipy.ndimage.gaussian_filter(
        photo[0].double().numpy(), sigma, axes=(1, 2), mode="mirror", truncate=10 / sigma
    )
    assert np.abs(ours[0].numpy() - theirs).max() < 1e-5


def test_an_anisotropic_kernel_has_the_covariance_of_its_ellipse():
    mean, covariance = moments(gaussian_kernel(41, 3.0, 1.0, 0.6))
    axes = np.array([[math.sin(0.6), math.cos(0.6)], [math.cos(0.6), -math.sin(0.6)]])
    assert np.abs(mean).max() < 1e-12
    assert np.allclose(covariance, axes.T @ np.diag([9.0, 1.0]) @ axes, atol=1e-3)
    long, short = kernel_widths(gaussian_kernel(41, 3.0, 1.0, 0.6)[0])
    assert (long, short) == pytest.approx((3.0, 1.0), abs=1e-3)


def test_variances_can_be_drawn_uniformly(do, photo):
    with recorded() as notes:
        for seed in range(300):
            do(photo[..., :8, :8], "GaussianBlur", seed=seed, blur_sigma=[0.1, 3.0],
               uniform_in="variance")  # fmt: skip
    drawn = [float(note.parameters["sigma"].split()[0]) ** 2 for note in notes]
    assert np.mean(drawn) == pytest.approx(4.5, abs=4 * 2.6 / math.sqrt(300))
    assert max(drawn) > 8


@pytest.mark.parametrize(("length", "angle"), [(5.0, 0.0), (20.0, 0.7), (31.5, 2.0)])
def test_a_straight_motion_spreads_over_its_length(length, angle):
    kernel = motion_kernel(length, torch.full((64,), angle, dtype=torch.float64))
    mean, covariance = moments(kernel)
    along = np.array([math.sin(angle), math.cos(angle)])
    across = np.array([math.cos(angle), -math.sin(angle)])
    assert np.abs(mean).max() < 1e-9
    assert float(kernel.sum()) == pytest.approx(1)
    # An even line, and up to a quarter of a squared pixel for its drawing on pixels.
    assert 0 <= along @ covariance @ along - length**2 / 12 < 0.3
    assert 0 <= across @ covariance @ across < 0.3


@pytest.mark.parametrize("seed", range(20))
def test_any_motion_stays_in_its_kernel_and_in_register(seed):
    generator = torch.Generator().manual_seed(seed)
    walk = torch.randn(64, generator=generator, dtype=torch.float64) * 0.5
    kernel = motion_kernel(1.3 * seed, walk.cumsum(0))
    mean, _ = moments(kernel)
    assert kernel.shape[-1] % 2 == 1
    assert np.abs(mean).max() < 1e-9
    assert kernel.min() >= 0


@pytest.mark.parametrize("radius", [0.5, 1.0, 3.3, 8.0])
def test_a_disc_has_the_moments_of_a_disc(radius):
    kernel = disc_kernel(radius)
    mean, covariance = moments(kernel)
    assert np.abs(mean).max() < 1e-12
    if radius >= 1:  # a smaller one lies within a pixel
        # Of an even disc, and of the pixels that sample it.
        expected = radius**2 / 4 + 1 / 12
        assert np.allclose(np.diag(covariance), expected, atol=0.06, rtol=0.02)
    area = float(1 / kernel.max())
    if radius >= 2:
        assert area == pytest.approx(math.pi * radius**2, rel=0.03)


def test_random_kernels_keep_the_mean_and_lower_the_contrast(do, photo):
    for seed in range(10):
        for kind in ("Blur", "MotionBlur", "DefocusBlur", "GaussianBlur"):
            blurred = do(photo, kind, seed=seed)
            assert blurred.shape == photo.shape
            assert abs(float(blurred.mean() - photo.mean())) < 0.02
            assert blurred.std() < 1.02 * photo.std()


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("anisotropic", [False, True])
def test_direct_downscaling_stays_in_register(do, scale, anisotropic):
    """A ramp of positions gives the middle of each LQ pixel's GT pixels."""
    side = 60
    ramp = torch.arange(side, dtype=torch.float32) / side
    across, down = ramp.expand(side, -1), ramp[:, None].expand(-1, side)
    image = torch.stack([across, down, across])[None]
    lq = do(image, "DirectDownscale", scale=scale, blur_sigma=[0.6, 1.5], anisotropic=anisotropic,
            kernel_size=[15, 15])  # fmt: skip
    middle = (torch.arange(side // scale) * scale + (scale - 1) / 2) / side
    inner = slice(4, -4)
    assert (lq[0, 0, 5, inner] - middle[inner]).abs().max() < 1e-4
    assert (lq[0, 1, inner, 5] - middle[inner]).abs().max() < 1e-4


def test_direct_downscaling_is_scipys_filter_sampled(do, photo):
    lq = do(photo, "DirectDownscale", scale=3, blur_sigma=[1.2, 1.2], kernel_size=[21, 21])
    blurred = scipy.ndimage.gaussian_filter(
        photo[0].double().numpy(), 1.2, axes=(1, 2), mode="mirror", truncate=10 / 1.2
    )
    assert np.abs(lq[0].numpy() - blurred[:, 1::3, 1::3]).max() < 1e-5


def test_a_kernel_far_narrower_than_a_pixel_is_still_a_kernel():
    for offset in (0.0, -0.5):
        kernel = shifted_gaussian(7, 1e-3, 1e-3, 0.0, offset)
        assert kernel.isfinite().all()
        assert float(kernel.sum()) == pytest.approx(1)


def test_a_sinc_keeps_flat_parts_and_rings_at_edges(do):
    image = torch.full((1, 3, 48, 48), 0.3)
    assert torch.allclose(do(image, "Sinc"), image, atol=1e-5)
    image[..., 24:] = 0.6
    ringing = do(image, "Sinc", cutoff_range=[1.2, 1.2], kernel_size=[21, 21])
    assert ringing.max() > 0.61
    assert ringing.min() < 0.29


def test_a_kernel_larger_than_the_image_mirrors_it(do):
    tiny = torch.rand(1, 3, 8, 8)
    ours = do(tiny, "GaussianBlur", blur_sigma=[3, 3], kernel_size=[41, 41])
    theirs = scipy.ndimage.gaussian_filter(
        tiny[0].double().numpy(), 3, axes=(1, 2), mode="mirror", truncate=20 / 3
    )
    assert np.abs(ours[0].numpy() - theirs).max() < 1e-5
