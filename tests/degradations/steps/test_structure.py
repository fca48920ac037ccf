"""Probability, choice and order, counted over many samples."""

from __future__ import annotations

from collections import Counter

import pytest

from adasr.degradations.recording import recorded
from adasr.errors import OptionError
from adasr.registry import STEP_REGISTRY

A = {"type": "GaussianNoise", "noise_range": [0, 0]}
B = {"type": "CameraNoise"}
C = {"type": "PoissonNoise"}


def operations(draw, kind: str, **options) -> Counter:
    """How often which operations were done in which order, of 600 samples."""
    found = Counter()
    for seed in range(600):
        with recorded() as notes:
            draw((8, 8), kind, seed=seed, **options)
        found["".join(n.operation[0] for n in notes)] += 1
    return found


def test_prob_of_a_step_and_of_a_group(draw):
    assert operations(draw, "CameraNoise", prob=0.25)["C"] == pytest.approx(150, abs=45)
    found = operations(draw, "Sequence", steps=[A, B], prob=0.5)
    assert set(found) == {"", "GC"}
    assert found["GC"] == pytest.approx(300, abs=50)
    found = operations(draw, "Sequence", steps=[{**A, "prob": 0.5}, B])
    assert set(found) == {"C", "GC"}


def test_one_of_is_drawn_by_weight(draw):
    found = operations(draw, "OneOf", steps=[A, B, C], weights=[1, 2, 0])
    assert set(found) == {"G", "C"}
    assert found["C"] == pytest.approx(400, abs=45)
    assert set(operations(draw, "OneOf", steps=[A, B, C])) == {"G", "C", "P"}


def test_every_order_is_equally_likely(draw):
    found = operations(draw, "Shuffle", steps=[A, B, C])
    assert len(found) == 6
    assert all(n == pytest.approx(100, abs=40) for n in found.values())
    found = operations(draw, "Shuffle", steps=[A, B, C], keep_order=[0, 2])
    assert len(found) == 3
    assert all(order.index("G") < order.index("P") for order in found)


@pytest.mark.parametrize("kind", ["Sequence", "OneOf", "Shuffle"])
def test_a_fault_inside_is_found_at_its_place(kind):
    with pytest.raises(OptionError, match="no step") as caught:
        STEP_REGISTRY.build({"type": kind, "steps": []})
    assert caught.value.key == ("steps",)
    inner = {"type": "Sequence", "steps": [A, {"type": "JPEG", "jpeg_range": [90, 30]}]}
    with pytest.raises(OptionError, match="rising") as caught:
        STEP_REGISTRY.build({"type": kind, "steps": [A, inner]})
    assert caught.value.key == ("steps", 1, "steps", 1, "jpeg_range")


@pytest.mark.parametrize(
    ("options", "key", "says"),
    [
        ({"type": "OneOf", "steps": [A, B], "weights": [0, 0]}, ("weights",), "not all zero"),
        ({"type": "OneOf", "steps": [A, B], "weights": [1]}, ("weights",), "expected 2"),
        ({"type": "OneOf", "steps": [A], "weights": []}, ("weights",), "expected 1"),
        ({"type": "OneOf", "steps": [A, B], "weights": [2, -1]}, ("weights",), "non-negative"),
        ({"type": "Shuffle", "steps": [A], "keep_order": [1]}, ("keep_order", 0), "from 0 to 0"),
        ({"type": "Sequence", "steps": A}, ("steps",), "expected a list"),
        ({"type": "Sequence", "steps": ["JPEG"]}, ("steps", 0), "expected a mapping"),
        ({"type": "JPEG", "jpeg_range": [0, 95]}, ("jpeg_range",), "[1, 100]"),
        ({"type": "JPEG", "jpeg_range": [30, 101]}, ("jpeg_range",), "[1, 100]"),
        ({"type": "JPEG", "prob": 1.5}, ("prob",), "[0, 1]"),
        ({"type": "GaussianNoise", "noise_range": [30, 1]}, ("noise_range",), "rising"),
        ({"type": "GaussianNoise", "gray_noise_prob": 0.7, "correlated_noise_prob": 0.7},
         ("correlated_noise_prob",), "more than 1"),
        ({"type": "PoissonNoise", "poisson_scale_range": [-1, 1]}, ("poisson_scale_range",),
         "[0, 100]"),
        ({"type": "CameraNoise", "shot_noise_range": [0, 1]}, ("shot_noise_range",), "[1e-08, 1]"),
        ({"type": "GaussianBlur", "kernel_size": [7, 20]}, ("kernel_size", 1), "Use 21"),
        ({"type": "GaussianBlur", "blur_sigma": [0, 1]}, ("blur_sigma",), "[0.001, 100]"),
        ({"type": "GaussianBlur", "uniform_in": "sigmas"}, ("uniform_in",), "variance"),
        ({"type": "Blur", "blur_kernel_size": 20}, ("blur_kernel_size",), "odd"),
        ({"type": "Blur", "kernel_list": ["iso", "anso"]}, ("kernel_list", 1), "aniso"),
        ({"type": "Sinc", "cutoff_range": [1, 4]}, ("cutoff_range",), "3.14"),
        ({"type": "Resize", "resize_range": [0, 1]}, ("resize_range",), "0.01"),
        ({"type": "Resize", "modes": ["bicubc"]}, ("modes", 0), "Did you mean 'bicubic'"),
        ({"type": "ResizeToLQ", "modes": []}, ("modes",), "no interpolation"),
        ({"type": "DirectDownscale", "factor": 0}, ("factor",), "at least 1"),
        ({"type": "MotionBlur", "length_range": [5, 3]}, ("length_range",), "rising"),
        ({"type": "DefocusBlur", "radius_range": [0, 3]}, ("radius_range",), "0.1"),
        ({"type": "USM", "strength_range": [2, 1]}, ("strength_range",), "rising"),
        ({"type": "Resize", "relative_to": "hq"}, ("relative_to",), "lq"),
        ({"type": "JPG"}, ("type",), "Did you mean 'JPEG'"),
        ({"type": "JPEG", "jpeg_rnge": [1, 2]}, ("jpeg_rnge",), "Did you mean 'jpeg_range'"),
        ({"type": "GaussianNoise", "noise_range": [float("nan"), 1]}, ("noise_range",), ""),
    ],
)  # fmt: skip
def test_a_wrong_option_is_named(options, key, says):
    with pytest.raises(OptionError) as caught:
        STEP_REGISTRY.build(options)
    assert caught.value.key[: len(key)] == key
    assert says in str(caught.value)
