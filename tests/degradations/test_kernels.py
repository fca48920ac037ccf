"""Kernels equal BasicSR's for the same parameters and are drawn from the same distribution."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
import torch

from adasr.degradations.kernels import (
    FAMILIES,
    FAMILY_PROB,
    KernelMix,
    gaussian_kernels,
    mixed_kernels,
    random_cutoff,
    sinc_kernels,
)
from adasr.errors import OptionError

MIX = {
    "blur_kernel_size": 21,
    "kernel_list": FAMILIES,
    "kernel_prob": FAMILY_PROB,
    "blur_sigma": (0.2, 3.0),
    "betag_range": (0.5, 4.0),
    "betap_range": (1.0, 2.0),
    "sinc_prob": 0.1,
}


@pytest.fixture(scope="module")
def reference(basicsr):
    from basicsr.data import degradations

    return degradations


def _parameters(n: int = 24):
    rng = np.random.RandomState(3)
    support = rng.choice(np.arange(7, 22, 2), n)
    sigma_x, sigma_y = rng.uniform(0.2, 5, (2, n))
    theta, beta = rng.uniform(-math.pi, math.pi, n), rng.uniform(0.5, 4, n)
    return support, sigma_x, sigma_y, theta, beta


def _on_canvas(kernel: np.ndarray, canvas: int = 21) -> np.ndarray:
    return np.pad(kernel, (canvas - len(kernel)) // 2)


def _close(ours: torch.Tensor, theirs: list[np.ndarray]) -> None:
    np.testing.assert_allclose(ours.numpy(), np.stack([_on_canvas(k) for k in theirs]), atol=1e-6)


@pytest.mark.parametrize("isotropic", [True, False])
@pytest.mark.parametrize("family", ["gaussian", "generalized", "plateau"])
def test_blur_kernels_equal_basicsr(reference, family, isotropic):
    support, sigma_x, sigma_y, theta, beta = _parameters()
    values = [torch.from_numpy(v) for v in (support, sigma_x, sigma_y, theta, beta)]
    if isotropic:
        values[2] = values[1]
    theirs = []
    for k, sx, sy, angle, shape in zip(support, sigma_x, sigma_y, theta, beta, strict=True):
        if family == "gaussian":
            kernel = reference.bivariate_Gaussian(k, sx, sy, angle, isotropic=isotropic)
        elif family == "generalized":
            kernel = reference.bivariate_generalized_Gaussian(
                k, sx, sy, angle, shape, isotropic=isotropic
            )
        else:
            kernel = reference.bivariate_plateau(k, sx, sy, angle, shape, isotropic=isotropic)
        theirs.append(kernel)
    if family == "gaussian":
        ours = gaussian_kernels(21, *values[:4])
    elif family == "generalized":
        ours = gaussian_kernels(21, *values)
    else:
        yes = torch.ones(len(support), dtype=torch.bool)
        ours = mixed_kernels(21, *values, plateau=yes, sinc=~yes, cutoff=values[1])
    _close(ours, theirs)


def test_sinc_kernels_equal_basicsr(reference):
    support = torch.tensor([7, 9, 13, 21, 21])
    cutoff = torch.tensor([1.1, math.pi, 0.7, math.pi / 3, 2.9], dtype=torch.float64)
    theirs = [
        reference.circular_lowpass_kernel(c, k)
        for c, k in zip(cutoff.tolist(), support.tolist(), strict=True)
    ]
    _close(sinc_kernels(21, support, cutoff), theirs)
    one = torch.ones_like(cutoff)
    yes = one.bool()
    _close(mixed_kernels(21, support, one, one, one, one, ~yes, yes, cutoff), theirs)


def test_random_kernels_follow_basicsr_distribution(reference):
    """Centre weight, spread and the share of the small sides over many draws."""
    n = 3000
    ours = KernelMix(**{**MIX, "sinc_prob": 0.0}).draw(n, torch.Generator().manual_seed(0)).numpy()
    random.seed(0)
    np.random.seed(0)
    theirs = np.stack(
        [
            _on_canvas(
                reference.random_mixed_kernels(
                    FAMILIES,
                    FAMILY_PROB,
                    random.choice(range(7, 22, 2)),
                    MIX["blur_sigma"],
                    MIX["blur_sigma"],
                    [-math.pi, math.pi],
                    MIX["betag_range"],
                    MIX["betap_range"],
                )
            )
            for _ in range(n)
        ]
    )
    offset = np.arange(21) - 10.0
    statistics = {
        "centre": lambda k: k[:, 10, 10],
        "spread along x": lambda k: (k.sum(1) * offset**2).sum(1),
        "spread along y": lambda k: (k.sum(2) * offset**2).sum(1),
        "energy": lambda k: (k**2).sum((1, 2)),
    }
    for name, statistic in statistics.items():
        a, b = statistic(ours), statistic(theirs)
        error = math.sqrt(a.var() / n + b.var() / n)
        assert abs(a.mean() - b.mean()) < 4 * error, name


def test_random_kernels_sum_to_one_and_hold_the_share_of_sinc_filters():
    kernels = KernelMix(**{**MIX, "sinc_prob": 0.25}).draw(4000, torch.Generator().manual_seed(1))
    torch.testing.assert_close(kernels.sum((1, 2)), torch.ones(4000, dtype=kernels.dtype))
    # Only a sinc filter has negative weights.
    share = (kernels.amin((1, 2)) < 0).double().mean()
    assert share == pytest.approx(0.25, abs=0.03)


def test_every_side_from_seven_up_is_drawn_equally_often():
    only = {"blur_sigma": (3.0, 3.0), "kernel_list": ("iso",), "kernel_prob": (1.0,)}
    mix = KernelMix(**{**MIX, **only, "sinc_prob": 0.0})
    kernels = mix.draw(4000, torch.Generator().manual_seed(2))
    sides = (kernels[:, 10] > 0).sum(1)
    counts = torch.bincount(sides, minlength=22)
    assert counts[7::2].sum() == 4000
    assert (counts[7::2] - 500).abs().max() < 100


def test_cutoff_of_small_kernels_starts_higher():
    support = torch.tensor([7] * 2000 + [13] * 2000)
    cutoff = random_cutoff(support, torch.Generator().manual_seed(0), wide=True)
    assert math.pi / 3 <= cutoff[:2000].min() < 1.1
    assert math.pi / 5 <= cutoff[2000:].min() < 0.68
    assert cutoff.max() < math.pi


@pytest.mark.parametrize(
    ("change", "key", "hint"),
    [
        ({"blur_kernel_size": 20}, "blur_kernel_size2", "odd"),
        (
            {"kernel_list": ("platau_iso",), "kernel_prob": (1.0,)},
            "kernel_list2.0",
            "'plateau_iso'?",
        ),
        ({"kernel_prob": (1.0, 2.0)}, "kernel_prob2", "expected 6"),
        ({"kernel_prob": (0.0,) * 6}, "kernel_prob2", "not all zero"),
        ({"blur_sigma": (3.0, 0.2)}, "blur_sigma2", "rising"),
        ({"betag_range": (2.0, 4.0)}, "betag_range2", "contain 1"),
        ({"sinc_prob": 1.5}, "sinc_prob2", "[0, 1]"),
        ({"sinc_prob": float("nan")}, "sinc_prob2", "[0, 1]"),
    ],
)
def test_values_out_of_range_are_named(change, key, hint):
    with pytest.raises(OptionError) as caught:
        KernelMix(**{**MIX, **change}, suffix="2")
    assert str(caught.value).startswith(f"{key}: ")
    assert hint in str(caught.value)
