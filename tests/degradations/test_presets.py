"""The presets: their papers' parameters, counted, and correct results for any input."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from adasr.degradations.recording import Note, recorded
from adasr.errors import OptionError
from adasr.registry import DEGRADATION_REGISTRY

ANY_SCALE = ["BSRGAN", "Classical"]
FULL_SIZE = ["Denoise", "DeJPEG", "Deblur"]


def build(kind: str, scale: int, **options):
    return DEGRADATION_REGISTRY.build({"type": kind, **options}, scale=scale)


def histories(kind: str, scale: int, n: int, **options) -> list[list[Note]]:
    """The notes of ``n`` samples."""
    degradation = build(kind, scale, **options)
    image, found = torch.rand(1, 3, 24, 24), []
    for seed in range(n):
        with recorded() as notes:
            degradation(image, torch.Generator().manual_seed(seed))
        found.append(notes)
    return found


def sigmas(note: Note) -> list[float]:
    told = note.parameters["sigma"].split(" px")[0]
    return [float(part) for part in told.split(" x ")]


def test_bsrgan_does_everything_once_and_jpeg_last():
    found = histories("BSRGAN", 2, 300)
    assert all(notes[-1].operation == "JPEG" for notes in found)
    counts = Counter(note.operation for notes in found for note in notes)
    assert counts["GaussianBlur"] == 600
    assert counts["GaussianNoise"] == 300
    assert counts["JPEG"] == pytest.approx(300 + 270, abs=20)
    assert counts["DirectDownscale"] == pytest.approx(75, abs=30)
    assert counts["CameraNoise"] == 0
    places = [next(i for i, n in enumerate(o) if n.operation == "GaussianNoise") for o in found]
    assert len(set(places)) >= 5
    kinds = Counter(
        n.parameters["kind"] for o in found for n in o if n.operation == "GaussianNoise"
    )
    assert kinds["gray"] == pytest.approx(120, abs=35)
    assert kinds["correlated"] == pytest.approx(60, abs=30)
    # Downscaling to the LQ size never comes before the random one.
    for notes in found:
        order = [n.operation for n in notes]
        if "Resize" in order and "ResizeToLQ" in order:
            assert order.index("Resize") < order.index("ResizeToLQ")


def test_bsrgan_halves_a_quarter_of_the_images_at_scale_4():
    found = histories("BSRGAN", 4, 300)
    halved = [o for o in found if o[0].operation == "Resize" and o[0].parameters["to"] == "12x12"]
    assert len(halved) == pytest.approx(75, abs=40)
    widths = [sigmas(n) for o in found for n in o if n.operation == "GaussianBlur"]
    iso = [w[0] for w in widths if len(w) == 1]
    aniso = [s**2 for w in widths if len(w) == 2 for s in w]
    assert len(iso) == pytest.approx(300, abs=60)
    assert 2.5 < max(iso) <= 2.8
    assert 7.5 < max(aniso) <= 8.01
    sides = {n.parameters["side"] for o in found for n in o if n.operation == "GaussianBlur"}
    assert sides == set(range(7, 26, 2))


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_classical_has_the_kernels_of_srmd(scale):
    found = histories("Classical", scale, 150)
    drawn = [sigmas(o[0])[0] for o in found]
    assert min(drawn) < 0.2 + 0.05 * scale
    assert 0.95 * scale < max(drawn) <= scale
    assert {n.operation for o in found for n in o} == {
        "GaussianBlur", "ResizeToLQ", "GaussianNoise"
    }  # fmt: skip
    options = {"aniso_prob": 1.0, "direct_prob": 1.0, "noise_range": [0, 75]}
    found = histories("Classical", scale, 150, **options)
    variances = [s**2 for o in found for s in sigmas(o[0])]
    assert o_first(found) == {"DirectDownscale"}
    assert min(variances) >= 0.49
    assert 1.8 * scale < max(variances) <= 2.03 + 2 * scale


def o_first(found: list[list[Note]]) -> set[str]:
    return {notes[0].operation for notes in found}


def test_denoise_draws_the_kinds_by_weight():
    counts = Counter(o[0].operation for o in histories("Denoise", 1, 400))
    assert counts["GaussianNoise"] == pytest.approx(200, abs=45)
    assert counts["PoissonNoise"] == pytest.approx(80, abs=40)
    only = histories("Denoise", 1, 100, kind_prob=[1, 0, 0])
    assert o_first(only) == {"GaussianNoise"}
    levels = [o[0].parameters["sigma"] for o in only]
    assert np.mean(levels) == pytest.approx(27.5, abs=4 * 55 / math.sqrt(12 * 100))


def test_dejpeg_compresses_some_twice():
    found = histories("DeJPEG", 1, 300)
    assert {n.operation for o in found for n in o} == {"JPEG"}
    assert sum(len(o) == 2 for o in found) == pytest.approx(90, abs=35)
    qualities = [o[-1].parameters["quality"] for o in found]
    assert min(qualities) in range(10, 15)
    assert max(qualities) in range(91, 96)


def test_deblur_draws_the_kinds_by_weight():
    counts = Counter(o[0].operation for o in histories("Deblur", 1, 300))
    assert counts["MotionBlur"] == pytest.approx(150, abs=45)
    assert set(counts) == {"MotionBlur", "DefocusBlur", "GaussianBlur"}


@pytest.mark.parametrize("value", [0.0, 1.0])
@pytest.mark.parametrize("kind", ANY_SCALE + FULL_SIZE)
def test_black_and_white_stay_near_themselves(kind, value):
    scale = 1 if kind in FULL_SIZE else 2
    gt = torch.full((6, 3, 32, 32), value)
    lq, _ = build(kind, scale)(gt, torch.Generator().manual_seed(0))
    assert lq.isfinite().all()
    assert (lq - value).abs().mean() < 0.2


@settings(max_examples=60, deadline=None)
@given(
    kind=st.sampled_from(ANY_SCALE + FULL_SIZE),
    scale=st.integers(1, 4),
    side=st.integers(1, 12),
    border=st.integers(0, 3),
    seed=st.integers(0, 2**32),
    fill=st.sampled_from(["noise", "black", "white", "binary"]),
)
def test_any_size_gives_a_finite_pair_of_the_right_size(kind, scale, side, border, seed, fill):
    h, w = scale * (side + border), scale * (side + 2 * border)
    noise = torch.rand(2, 3, h, w, generator=torch.Generator().manual_seed(seed % 100))
    gt = {"noise": noise, "black": noise * 0, "white": noise * 0 + 1, "binary": noise.round()}[fill]
    generator = torch.Generator().manual_seed(seed)
    lq, target = build(kind, scale)(gt, generator, side * scale)
    assert lq.shape == (2, 3, side, side)
    assert target.shape == (2, 3, side * scale, side * scale)
    assert lq.isfinite().all()
    assert 0 <= lq.min() <= lq.max() <= 1


@pytest.mark.parametrize("kind", ANY_SCALE + FULL_SIZE)
def test_eight_pixels_are_enough_and_sides_must_divide(kind):
    gt = torch.rand(2, 3, 8, 8)
    for scale in (1, 2, 4):
        lq, _ = build(kind, scale)(gt, torch.Generator())
        assert lq.shape == (2, 3, 8 // scale, 8 // scale)
    with pytest.raises(ValueError, match="multiple of scale 3"):
        build(kind, 3)(gt, torch.Generator())


def ranges(low: float, high: float):
    pair = st.tuples(st.floats(low, high), st.floats(low, high))
    return pair.map(lambda p: [min(p), max(p)])


ODD = st.tuples(st.integers(1, 20), st.integers(1, 20)).map(
    lambda p: [2 * min(p) + 1, 2 * max(p) + 1]
)
STEPS = st.one_of(
    st.fixed_dictionaries({"type": st.just("JPEG"), "jpeg_range": ranges(1, 100),
                           "shift": st.booleans()}),
    st.fixed_dictionaries({"type": st.just("GaussianNoise"), "noise_range": ranges(0, 255),
                           "correlated_noise_prob": st.floats(0, 0.6)}),
    st.fixed_dictionaries({"type": st.just("PoissonNoise"),
                           "poisson_scale_range": ranges(0, 100)}),
    st.fixed_dictionaries({"type": st.just("CameraNoise"), "shot_noise_range": ranges(1e-8, 1)}),
    st.fixed_dictionaries({"type": st.just("GaussianBlur"), "blur_sigma": ranges(1e-3, 100),
                           "kernel_size": ODD, "anisotropic": st.booleans()}),
    st.fixed_dictionaries({"type": st.just("Blur"), "blur_sigma": ranges(1e-3, 50),
                           "betag_range": ranges(0.5, 1).map(lambda r: [r[0], 1 + r[1]])}),
    st.fixed_dictionaries({"type": st.just("MotionBlur"), "length_range": ranges(0, 80),
                           "bend_range": ranges(0, 20)}),
    st.fixed_dictionaries({"type": st.just("DefocusBlur"), "radius_range": ranges(0.1, 30)}),
    st.fixed_dictionaries({"type": st.just("Sinc"), "cutoff_range": ranges(0.1, 3.14),
                           "kernel_size": ODD}),
    st.fixed_dictionaries({"type": st.just("Resize"), "resize_range": ranges(0.01, 8),
                           "relative_to": st.sampled_from(["image", "gt", "lq"]),
                           "uniform_in": st.sampled_from(["factor", "divisor"])}),
    st.fixed_dictionaries({"type": st.just("DirectDownscale"), "blur_sigma": ranges(1e-3, 100),
                           "factor": st.integers(1, 5)}),
    st.fixed_dictionaries({"type": st.just("USM"), "strength_range": ranges(0, 20)}),
    st.just({"type": "ResizeToLQ"}),
)  # fmt: skip
NESTED = st.recursive(
    STEPS,
    lambda inner: st.fixed_dictionaries(
        {
            "type": st.sampled_from(["Sequence", "OneOf", "Shuffle"]),
            "steps": st.lists(inner, min_size=1, max_size=3),
        }
    ),
    max_leaves=6,
)


@settings(max_examples=120, deadline=None)
@given(
    steps=st.lists(NESTED, min_size=1, max_size=5),
    scale=st.integers(1, 4),
    height=st.integers(1, 8),
    width=st.integers(1, 8),
    seed=st.integers(0, 2**32),
)
def test_any_pipeline_gives_a_finite_lq_of_the_right_size(steps, scale, height, width, seed):
    degradation = build("Pipeline", scale, steps=steps)
    gt = torch.rand(1, 3, height * scale, width * scale)
    lq, target = degradation(gt, torch.Generator().manual_seed(seed))
    assert lq.shape == (1, 3, height, width)
    assert lq.isfinite().all()
    assert 0 <= lq.min() <= lq.max() <= 1
    assert torch.equal(target, gt)


@pytest.mark.parametrize(
    ("kind", "options", "key"),
    [
        ("BSRGAN", {"noise_range": [25, 2]}, "noise_range"),
        ("BSRGAN", {"jpeg_range": [0, 95]}, "jpeg_range"),
        ("BSRGAN", {"jpeg_prob": 1.1}, "jpeg_prob"),
        ("BSRGAN", {"kernel_size": [7, 24]}, "kernel_size.1"),
        ("BSRGAN", {"aniso_prob": -0.1}, "aniso_prob"),
        ("BSRGAN", {"gray_noise_prob": 0.9}, "correlated_noise_prob"),
        ("Classical", {"blur_sigma": [4, 0.2]}, "blur_sigma"),
        ("Classical", {"aniso_variance": [0, 1]}, "aniso_variance"),
        ("Classical", {"kernel_size": [20, 20]}, "kernel_size.0"),
        ("Classical", {"direct_prob": 2}, "direct_prob"),
        ("Denoise", {"kind_prob": [0, 0, 0]}, "kind_prob"),
        ("Denoise", {"noise_range": [0, 300]}, "noise_range"),
        ("Denoise", {"shot_noise_range": [0, 0.1]}, "shot_noise_range"),
        ("DeJPEG", {"double_prob": 1.5}, "double_prob"),
        ("DeJPEG", {"jpeg_range": [95, 10]}, "jpeg_range"),
        ("Deblur", {"kind_prob": [1, 1, -1]}, "kind_prob"),
        ("Deblur", {"length_range": [9, 3]}, "length_range"),
        ("Deblur", {"radius_range": [0, 3]}, "radius_range"),
        ("BSRGAN", {"frame": 0}, "frame"),
    ],
)
def test_a_wrong_option_is_named(kind, options, key):
    with pytest.raises(OptionError) as caught:
        build(kind, 4, **options)
    assert ".".join(map(str, caught.value.key)) == key


@pytest.mark.parametrize("kind", ANY_SCALE + FULL_SIZE)
def test_a_scale_below_one_is_refused(kind):
    with pytest.raises(OptionError, match="at least 1"):
        build(kind, 0)
