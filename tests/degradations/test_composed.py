"""Pipelines of steps out of options: what they return, and how a mistake is told."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from adasr.degradations.recording import note, recorded
from adasr.degradations.steps.jpeg import JPEG
from adasr.errors import OptionError
from adasr.options import OptionsFileError, load_options
from adasr.registry import DEGRADATION_REGISTRY, STEP_REGISTRY, Registry

STEPS = [
    {"type": "Blur", "prob": 0.8},
    {"type": "Shuffle", "steps": [
        {"type": "Resize", "resize_range": [0.3, 1.2]},
        {"type": "OneOf", "weights": [2, 1], "steps": [
            {"type": "GaussianNoise"}, {"type": "PoissonNoise"}]},
        {"type": "JPEG"}]},
    {"type": "ResizeToLQ"},
    {"type": "Sinc", "prob": 0.5},
    {"type": "JPEG", "jpeg_range": [30, 95]},
]  # fmt: skip


def build(scale: int = 4, kind: str = "Pipeline", **options):
    if kind == "Pipeline":
        options = {"steps": STEPS, **options}
    return DEGRADATION_REGISTRY.build({"type": kind, **options}, scale=scale)


def seeded(seed: int = 7) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("scale", [1, 2, 3, 4])
def test_a_pair_has_the_promised_shapes_and_levels(batch, scale):
    lq, gt = build(scale)(batch[..., :120, :120], seeded(), 48)
    assert gt.shape == (4, 3, 48, 48)
    assert lq.shape == (4, 3, 48 // scale, 48 // scale)
    assert torch.equal(lq, (lq * 255).round() / 255)
    assert 0 <= lq.min() <= lq.max() <= 1


def test_the_target_is_the_untouched_gt_unless_sharpened(batch):
    _, gt = build()(batch, seeded())
    assert torch.equal(gt, batch)
    _, sharp = build(gt_usm=True)(batch, seeded())
    assert sharp.diff(dim=-1).abs().mean() > 1.02 * batch.diff(dim=-1).abs().mean()


def test_the_generator_decides_everything_whatever_the_threads(batch):
    degradation, threads = build(), torch.get_num_threads()
    state = torch.get_rng_state()
    expected = degradation(batch, seeded())
    try:
        torch.set_num_threads(1)
        alone = degradation(batch, seeded())
    finally:
        torch.set_num_threads(threads)
    assert all(torch.equal(a, b) for a, b in zip(expected, alone, strict=True))
    assert not torch.equal(degradation(batch, seeded(8))[0], expected[0])
    assert torch.equal(torch.get_rng_state(), state)


def test_a_sample_does_not_hang_on_the_others(batch):
    changed = batch.clone()
    changed[0] = 0.5
    degradation = build()
    assert torch.equal(degradation(changed, seeded())[0][1:], degradation(batch, seeded())[0][1:])


def test_views_are_degraded_differently_and_the_first_is_the_only_ones(batch):
    degradation = build()
    lq, gt = degradation(batch, seeded(), 64, views=2)
    one, _ = degradation(batch, seeded(), 64)
    assert torch.equal(lq[:4], one)
    assert torch.equal(gt[:4], gt[4:])
    assert all((lq[i] - lq[4 + i]).abs().max() > 0.02 for i in range(4))


def test_frames_on_a_device_are_degraded_on_the_host(batch, monkeypatch):
    degradation, together = build(jpeg_method="simulated"), []
    monkeypatch.setattr(degradation, "degrade_together", lambda *_: together.append(1))
    with pytest.raises(NotImplementedError, match="meta"):  # which has nothing to bring to the host
        degradation(batch.to("meta"), seeded(), 64)
    assert not together


def test_what_no_step_resized_is_resized_at_the_end(batch):
    degradation = build(
        steps=[{"type": "GaussianNoise", "noise_range": [0, 0]}],
        resize_modes=["bicubic_antialias"],
    )
    lq, gt = degradation(batch, seeded())
    plane = np.asarray(Image.fromarray(gt[0, 0].numpy()).resize((32, 32), Image.Resampling.BICUBIC))
    assert np.abs(lq[0, 0].numpy() - plane.clip(0, 1)).max() <= 0.51 / 255


def test_steps_may_be_objects_in_python(batch):
    by_object = build(steps=[JPEG((50.0, 50.0))])(batch, seeded())[0]
    by_option = build(steps=[{"type": "JPEG", "jpeg_range": [50, 50]}])
    assert torch.equal(by_object, by_option(batch, seeded())[0])


def test_nan_is_refused(batch):
    batch = batch.clone()
    batch[1, 0, 5, 5] = float("nan")
    with pytest.raises(ValueError, match="NaN"):
        build()(batch, seeded())


def test_gray_images_stay_what_they_are_in_three_channels(batch):
    gray = batch.mean(1, keepdim=True).expand(-1, 3, -1, -1)
    lq, _ = build()(gray, seeded())
    assert lq.shape == (4, 3, 32, 32)
    with pytest.raises(ValueError, match="N, 3, H, W"):
        build()(gray[:, :1], seeded())


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("BSRGAN", {"noise_range": [0, 0], "jpeg_range": [98, 100]}),
        ("Classical", {"direct_prob": 0.5, "aniso_prob": 0.5}),
        ("Pipeline", {"steps": [{"type": "Resize"}, {"type": "MotionBlur"}, {"type": "Sinc"}]}),
    ],
)
def test_lq_and_gt_are_in_register(kind, options, scale):
    """A ramp stays a ramp under blur and resizing; its mean tells how far it moved."""
    ramp = torch.linspace(0.2, 0.8, 120)
    gt = torch.stack([ramp.expand(120, -1), ramp[:, None].expand(-1, 120), ramp.expand(120, -1)])
    lq, target = build(scale, kind, **options)(gt.expand(48, -1, -1, -1), seeded(), 60)
    drift = (lq - F.avg_pool2d(target, scale)).mean((0, 2, 3)) / (scale * 0.6 / 119)
    assert drift.abs().max() < 0.03


@pytest.mark.parametrize(
    ("change", "key", "says"),
    [
        ({"steps": []}, "steps", "names no step"),
        ({"steps": [{"type": "Blur"}, {"type": "Jpg"}]}, "steps.1.type", "Did you mean 'JPEG'"),
        ({"steps": [{"type": "JPEG"}, {"type": "GaussianNoise", "noise_range": [3, 1]}]},
         "steps.1.noise_range", "rising"),
        ({"resize_modes": ["cubic"]}, "resize_modes.0", "Did you mean 'bicubic'"),
        ({"frame": 0}, "frame", "at least 1"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_place(change, key, says):
    with pytest.raises(OptionError) as caught:
        build(**change)
    assert ".".join(map(str, caught.value.key)) == key
    assert says in str(caught.value)


def test_unknown_steps_and_options_are_found_in_the_file_before_anything_is_built(tmp_path):
    file = tmp_path / "o.yml"
    text = (
        "name: x\nscale: 4\nnetwork_g: {type: SRResNet}\n"
        "degradation:\n  type: Pipeline\n  steps:\n"
        "    - {type: Blur}\n"
        "    - type: OneOf\n      steps:\n        - {type: JPEG}\n        - {type: PoisonNoise}\n"
    )
    file.write_text(text)
    with pytest.raises(OptionsFileError) as caught:
        load_options(file)
    told = str(caught.value)
    assert f"{file}:11: degradation.steps.1.steps.1.type: unknown step 'PoisonNoise'" in told
    assert "Did you mean 'PoissonNoise'" in told
    file.write_text(text.replace("PoisonNoise", "JPEG, jpeg_rang: [30, 95]"))
    with pytest.raises(OptionsFileError, match=r"steps\.1\.steps\.1\.jpeg_rang: step 'JPEG' has"):
        load_options(file)


def test_a_list_of_components_takes_those_of_its_registry_only():
    registry = Registry("thing", lists={"steps": "steps"})

    @registry.register()
    def thing(steps: list[dict], count: int = 1) -> list[dict]:
        return steps

    assert registry.build({"type": "thing", "steps": [{"type": "JPEG"}]}) == [{"type": "JPEG"}]
    ready = STEP_REGISTRY.build({"type": "JPEG"})
    assert registry.build({"type": "thing", "steps": [ready]}) == [ready]
    for wrong in ([None], [3], [[]], [{"typ": "JPEG"}]):
        with pytest.raises(OptionError) as caught:
            registry.build({"type": "thing", "steps": wrong})
        assert caught.value.key[:2] == ("steps", 0)


def test_notes_tell_what_was_done_and_only_to_those_who_listen(batch):
    degradation = build(steps=[{"type": "JPEG", "jpeg_range": [40, 40]}, {"type": "CameraNoise"}])
    plain = degradation(batch[:1], seeded())[0]
    with recorded() as notes:
        noted = degradation(batch[:1], seeded())[0]
    assert torch.equal(plain, noted)
    assert [n.operation for n in notes] == ["JPEG", "CameraNoise", "ResizeToLQ"]
    assert str(notes[0]) == "JPEG: quality 40"
    note("JPEG", quality=1)
    assert len(notes) == 3
