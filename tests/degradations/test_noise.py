"""Noise has the moments it should have, per sample, and those of BasicSR."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from adasr.degradations.noise import add_gaussian_noise, add_poisson_noise

COLOUR, GRAY = torch.tensor([False]), torch.tensor([True])


def _generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_gaussian_noise_has_each_samples_sigma():
    sigma = torch.tensor([0.0, 2.0, 10.0, 25.0])
    flat = torch.full((4, 3, 128, 128), 0.5)
    noise = add_gaussian_noise(flat, sigma, COLOUR.expand(4), _generator()) - flat
    torch.testing.assert_close(noise.flatten(1).std(1) * 255, sigma, rtol=0.02, atol=1e-6)
    assert (noise.flatten(1).mean(1).abs() * 255 <= 4 * sigma / math.sqrt(3 * 128**2)).all()


def test_gray_noise_is_the_same_in_all_channels_of_its_samples_only():
    flat = torch.full((2, 3, 64, 64), 0.5)
    gray = torch.tensor([True, False])
    for add, strength in ((add_gaussian_noise, 20.0), (add_poisson_noise, 2.0)):
        noise = add(flat, torch.full((2,), strength), gray, _generator()) - flat
        assert torch.equal(noise[0, 0], noise[0, 1])
        assert torch.equal(noise[0, 0], noise[0, 2])
        correlation = torch.corrcoef(noise[1].flatten(1))[0, 1]
        assert abs(correlation) < 0.08


def test_poisson_variance_grows_with_the_intensity():
    """Var = scale^2 x / v, with v the power of two above the number of distinct values."""
    levels = torch.tensor([40.0, 80.0, 120.0, 160.0]).repeat_interleave(40) / 255
    image = levels.view(1, 1, 1, 160).expand(1, 3, 400, 160).contiguous()
    scale = 0.5  # weak enough for no value to be clamped
    noise = add_poisson_noise(image, torch.tensor([scale]), COLOUR, _generator()) - image
    variance = noise.view(3, 400, 4, 40).permute(2, 0, 1, 3).flatten(1).var(1)
    # Four distinct values make v = 4, where clamping matters: a finer image is used instead.
    assert variance[0] < variance[-1]

    fine = (image * 255 + torch.arange(400).view(1, 1, 400, 1) % 33).round() / 255
    counts = 256  # 4 x 33 distinct values
    noise = add_poisson_noise(fine, torch.tensor([scale]), COLOUR, _generator()) - fine
    strips = noise.view(3, 400, 4, 40).permute(2, 0, 1, 3).flatten(1)
    expected = scale**2 * fine.view(3, 400, 4, 40).permute(2, 0, 1, 3).flatten(1).mean(1) / counts
    torch.testing.assert_close(strips.var(1), expected, rtol=0.05, atol=0)
    assert (strips.mean(1).abs() < 5 * (expected / strips.shape[1]).sqrt()).all()


@pytest.mark.parametrize("gray", [False, True])
@pytest.mark.parametrize("kind", ["gaussian", "poisson"])
def test_noise_has_basicsr_moments(basicsr, batch, kind, gray):
    from basicsr.data import degradations as reference

    image = batch[:1]
    torch.manual_seed(0)
    if kind == "gaussian":
        theirs = reference.add_gaussian_noise_pt(image, 15.0, torch.tensor([float(gray)]))
        ours = add_gaussian_noise(image, torch.tensor([15.0]), torch.tensor([gray]), _generator())
    else:
        theirs = reference.add_poisson_noise_pt(image, 1.5, gray_noise=torch.tensor([float(gray)]))
        ours = add_poisson_noise(image, torch.tensor([1.5]), torch.tensor([gray]), _generator())
    a, b = (ours - image)[0], (theirs - image)[0]
    assert ours.min() >= 0
    assert ours.max() <= 1
    for channel in range(3):
        assert a[channel].std().item() == pytest.approx(b[channel].std().item(), rel=0.04)
        assert a[channel].mean().item() == pytest.approx(b[channel].mean().item(), abs=0.002)
    ours_corr, theirs_corr = (np.corrcoef(x.flatten(1).numpy()) for x in (a, b))
    np.testing.assert_allclose(ours_corr, theirs_corr, atol=0.05)


@pytest.mark.parametrize("level", [0.0, 1.0])
def test_flat_black_and_white_images_do_no_harm(level):
    flat = torch.full((1, 3, 16, 16), level)
    noisy = add_poisson_noise(flat, torch.tensor([3.0]), COLOUR, _generator())
    assert noisy.isfinite().all()
    if level == 0:
        assert torch.equal(noisy, flat)


def test_the_generator_alone_decides():
    image = torch.rand(1, 3, 32, 32, generator=_generator(5))
    for add in (add_gaussian_noise, add_poisson_noise):
        torch.manual_seed(1)
        first = add(image, torch.tensor([3.0]), GRAY, _generator(2))
        state = torch.get_rng_state()
        assert torch.equal(add(image, torch.tensor([3.0]), GRAY, _generator(2)), first)
        assert torch.equal(torch.get_rng_state(), state)
        assert not torch.equal(add(image, torch.tensor([3.0]), GRAY, _generator(3)), first)
