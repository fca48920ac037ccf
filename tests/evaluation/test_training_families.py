"""Which families a training used: by its degradation's parameters, from options or weights."""

from __future__ import annotations

from pathlib import Path

import pytest

from adasr.degradations.families import FAMILIES
from adasr.evaluation.testsets import families_of_training
from adasr.options import dump_options, load_options
from adasr.registry import DEGRADATION_REGISTRY, STEP_REGISTRY

OPTIONS = Path(__file__).parents[2] / "options/train"


def _of(scale: int = 4, **degradation: object) -> set[str]:
    found = families_of_training({"scale": scale, "degradation": degradation})
    assert found is not None
    return set(found)


def _steps(*steps: dict, **options: object) -> set[str]:
    last = {"type": "ResizeToLQ", "modes": ["bicubic_antialias"]}
    found = _of(type="Pipeline", steps=[*steps, last], **options)
    return found - {"bicubic resize"}


@pytest.mark.parametrize("path", sorted(OPTIONS.glob("*.yml")), ids=lambda path: path.stem)
def test_every_shipped_training_says(path):
    options = load_options(path)
    found = families_of_training(options)
    assert found
    assert set(found) <= set(FAMILIES)
    assert families_of_training({"options": dump_options(options), "format": "adasr"}) == found


@pytest.mark.parametrize("scale", [1, 2, 4])
@pytest.mark.parametrize("name", sorted(set(DEGRADATION_REGISTRY.names()) - {"Pipeline"}))
def test_every_degradation_says(name, scale):
    assert _of(scale, type=name) <= set(FAMILIES)


@pytest.mark.parametrize("name", STEP_REGISTRY.names())
def test_every_step_says(name):
    inner = [{"type": "GaussianNoise"}, {"type": "JPEG"}]
    options = {"steps": inner} if name in ("Sequence", "OneOf", "Shuffle") else {}
    found = STEP_REGISTRY.build({"type": name, **options}).families
    assert found is not None
    assert set(found) <= set(FAMILIES)


def test_real_esrgan():
    found = _of(type="RealESRGAN")
    assert {"gaussian blur", "plateau blur", "sinc", "gaussian noise", "poisson noise"} <= found
    assert {"jpeg", "area resize", "bilinear resize", "aliased bicubic resize"} <= found
    unseen = {"motion blur", "defocus", "speckle", "salt and pepper", "jpeg2000", "webp"}
    assert not found & unseen
    only = {"gaussian_noise_prob": 1.0, "gaussian_noise_prob2": 1.0}
    assert "poisson noise" not in _of(type="RealESRGAN", **only)
    quiet = {"poisson_scale_range": [0, 0], "poisson_scale_range2": [0, 0]}
    assert "poisson noise" not in _of(type="RealESRGAN", **quiet)
    dry = {"sinc_prob": 0.0, "sinc_prob2": 0.0, "final_sinc_prob": 0.0}
    assert "sinc" not in _of(type="RealESRGAN", **dry)
    plain = {f"kernel_{a}{b}": v for b in ("", "2") for a, v in (("list", ["iso"]), ("prob", [1]))}
    assert not {"plateau blur", "generalized gaussian blur"} & _of(type="RealESRGAN", **plain)


def test_bsrgan_and_the_classical_ones():
    assert "poisson noise" not in _of(type="BSRGAN")
    assert {"camera noise", "poisson noise"} <= _of(type="BSRGAN", camera_noise_prob=0.25)
    assert _of(type="Bicubic") == {"bicubic resize"}
    assert _of(type="Classical") == {"gaussian blur", "bicubic resize"}
    assert "gaussian noise" in _of(type="Classical", noise_range=[0, 75])
    assert "motion blur" not in _of(1, type="Deblur", kind_prob=[0, 1, 1])
    assert _of(1, type="DeJPEG") == {"jpeg"}


def test_a_pipeline_has_what_its_steps_can_do():
    assert _steps({"type": "MotionBlur"}, {"type": "JPEG", "prob": 0}) == {"motion blur"}
    noises = [{"type": "PoissonNoise"}, {"type": "GaussianNoise"}]
    both = {"type": "OneOf", "steps": noises}
    assert _steps(both) == {"poisson noise", "gaussian noise"}
    assert _steps({**both, "weights": [0, 1]}) == {"gaussian noise"}
    assert _steps({"type": "Sequence", "steps": [both], "prob": 0.0}) == set()


def test_the_last_resize_counts_where_it_is_needed():
    usual = {"area resize", "bilinear resize", "aliased bicubic resize"}
    lq = {"type": "ResizeToLQ", "modes": ["nearest"]}
    noise = {"type": "OneOf", "steps": [{"type": "GaussianNoise"}, {"type": "GaussianNoise"}]}
    assert _of(type="Pipeline", steps=[lq, noise]) == {"nearest resize", "gaussian noise"}
    assert _of(type="Pipeline", steps=[{**lq, "prob": 0.5}]) == {"nearest resize", *usual}
    assert _of(type="Pipeline", steps=[{"type": "JPEG"}]) == {"jpeg", *usual}
    assert _of(1, type="Pipeline", steps=[{"type": "JPEG"}]) == {"jpeg"}
    shuffled = {"type": "Shuffle", "steps": [lq, {"type": "Resize", "modes": ["nearest"]}]}
    assert _of(type="Pipeline", steps=[shuffled]) == {"nearest resize", *usual}
    kept = {**shuffled, "steps": shuffled["steps"][::-1], "keep_order": [0, 1]}
    assert _of(type="Pipeline", steps=[kept]) == {"nearest resize"}


@pytest.mark.parametrize(
    "source",
    [
        {},
        {"format": "pt"},
        {"options": "[]"},
        {"options": "a: [b"},
        {"options": "scale: 4"},
        {"scale": 4, "degradation": {"type": "FromAnotherPlanet"}},
        {"scale": 4, "degradation": {"type": "RealESRGAN", "jpeg_range": [0, 400]}},
        {"scale": "4", "degradation": {"type": "RealESRGAN"}},
    ],
)
def test_nobody_knows(source):
    assert families_of_training(source) is None


def test_a_degradation_of_a_plugin_that_does_not_say(monkeypatch):
    monkeypatch.setattr(DEGRADATION_REGISTRY, "build", lambda *_, **__: lambda gt, generator: gt)
    assert families_of_training({"scale": 4, "degradation": {"type": "Theirs"}}) is None
