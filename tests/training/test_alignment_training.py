"""Training with a loss between the features of two degradations of every image."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from torch import Tensor, nn

from adasr.errors import OptionError
from adasr.losses.alignment import FeatureAlignment
from adasr.options import Options, load_options
from adasr.training import run
from adasr.training.checkpoint import load_state
from adasr.training.log import read_metrics
from adasr.training.run import run_training

MakeOptions = Callable[..., Options]

ALIGN = {"align_opt": {"type": "FeatureAlignment"}}
TERMS = ("l_pix", "l_align_linear", "l_align_fourier")


def folder_of(options: Options) -> Path:
    return Path(options.path.experiments_root) / options.name


def end_of(options: Options, iteration: int = 8) -> dict:
    return load_state(folder_of(options) / "training_states" / f"{iteration}.state")


def test_the_terms_are_logged_and_the_weights_carry_no_trace(options: MakeOptions) -> None:
    made = options(train=ALIGN)
    run_training(made)
    records = [r for r in read_metrics(folder_of(made)) if r["kind"] == "train"]
    assert len(records) == 4
    assert all(r[term] > 0 for r in records for term in TERMS)
    plain = options(name="plain")
    run_training(plain)
    keys = []
    for each in (made, plain):
        with safe_open(folder_of(each) / "models" / "net_g_8.safetensors", "pt") as file:
            keys.append(sorted(file.keys()))
    assert keys[0] == keys[1]
    assert end_of(made)["network"].keys() == end_of(plain)["network"].keys()


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"accumulate": 2, "grad_clip": 0.5},
        pytest.param({"precision": "bf16"}, id="bf16"),
        pytest.param({"compile": True}, id="compile", marks=pytest.mark.slow),
    ],
)
def test_a_resumed_run_ends_with_the_same_bits(options: MakeOptions, changes: dict) -> None:
    made = options(train={**ALIGN, **changes})
    run_training(made)
    whole, records = end_of(made), read_metrics(folder_of(made))
    (folder_of(made) / "training_states" / "8.state").unlink()
    torch.manual_seed(999)
    run_training(made, auto_resume=True)
    resumed = end_of(made)
    for part in ("network", "ema"):
        for key, value in whole[part].items():
            assert torch.equal(resumed[part][key], value), key
    logged = [[r.get(term) for term in TERMS] for r in records]
    assert [[r.get(term) for term in TERMS] for r in read_metrics(folder_of(made))] == logged


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_loss_sees_float32_features_of_two_views_of_the_batch(
    options: MakeOptions, monkeypatch: pytest.MonkeyPatch, precision: str
) -> None:
    seen: list[Tensor] = []
    forward = FeatureAlignment.forward

    def watched(self: FeatureAlignment, features: Tensor) -> dict[str, Tensor]:
        seen.append(features.detach())
        return forward(self, features)

    pairs: list[tuple[Tensor, Tensor]] = []

    class Pixel(nn.Module):
        def forward(self, sr: Tensor, gt: Tensor) -> Tensor:
            pairs.append((sr.detach(), gt))
            return (sr - gt).abs().mean()

    monkeypatch.setattr(FeatureAlignment, "forward", watched)
    monkeypatch.setattr(run, "make_losses", lambda _: {"l_pix": Pixel()})
    run_training(options(train={**ALIGN, "total_iter": 1, "precision": precision}))
    (features,), ((sr, gt),) = seen, pairs
    assert features.shape == (4, 8, 32, 32)  # a batch of 2
    assert features.dtype == torch.float32
    assert sr.shape == gt.shape == (4, 3, 32, 32)
    assert torch.equal(gt[:2], gt[2:])
    assert not torch.equal(features[:2], features[2:])


def test_it_trains_all_that_makes_the_feature_and_nothing_after(options: MakeOptions) -> None:
    ends = []
    for weight in (1.0, 0.0):
        train = {
            "align_opt": {"type": "FeatureAlignment", "loss_weight": weight},
            "pixel_opt": {"type": "L1Loss", "loss_weight": 0.0},
            "total_iter": 2,
            "warmup_iter": -1,
        }
        made = options(train=train, name=f"weight{weight:g}")
        run_training(made)
        ends.append(end_of(made, 2)["network"])
    aligned, start = ends
    for name, value in start.items():
        assert torch.equal(aligned[name], value) == name.startswith("conv_last"), name


def test_the_network_that_is_validated_is_not_watched(
    options: MakeOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    hooks: list[int] = []

    def validate(network: nn.Module, iteration: int) -> tuple[dict[str, float], float]:
        hooks.append(sum(len(m._forward_pre_hooks) for m in network.modules()))
        hooks.append(sum(len(m._forward_hooks) for m in network.modules()))
        return {"val/psnr": 1.0}, 1.0

    monkeypatch.setattr(run, "make_validator", lambda *_: validate)
    run_training(options(train=ALIGN))
    assert hooks == [0, 0, 0, 0]


def test_nothing_of_a_step_is_kept_after_it(
    options: MakeOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[object] = []
    optimize = run.Trainer._optimize

    def watched(self: run.Trainer, *arguments: object) -> object:
        losses = optimize(self, *arguments)  # type: ignore[arg-type]
        assert self.tap is not None
        kept.append(self.tap._feature)
        return losses

    monkeypatch.setattr(run.Trainer, "_optimize", watched)
    run_training(options(train=ALIGN))
    assert kept == [None] * 8


def test_another_site_can_be_named(options: MakeOptions) -> None:
    made = options(train={"align_opt": {"type": "FeatureAlignment", "site": "body.1.conv2"}})
    run_training(made)
    assert read_metrics(folder_of(made))[-1]["iteration"] == 8


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (
            "degradation={type: Bicubic}",
            "train.align_opt: compares two degradations of each image, and Bicubic gives one at "
            "most. Use a random degradation such as RealESRGAN",
        ),
        (
            "train.align_opt.site='body.*.conv2'",
            "train.align_opt.site: 'body.*.conv2' stands for 2 sites. One of: body.0.conv2, body.1",
        ),
        (
            "train.align_opt.site=conv_lst",
            "train.align_opt.site: 'conv_lst' matches no module of SRResNet. Did you mean",
        ),
    ],
)
def test_what_cannot_be_aligned_is_told(
    recipe: Callable[..., Path], override: str, message: str
) -> None:
    with pytest.raises(OptionError) as caught:
        run_training(load_options(recipe(train=ALIGN), [override]))
    assert message in str(caught.value)


def test_check_tries_it(recipe: Callable[..., Path], capsys: pytest.CaptureFixture[str]) -> None:
    from adasr.cli import main

    path = str(recipe(train=ALIGN))
    assert main(["check", "-opt", path]) == 0
    assert "ready to train" in capsys.readouterr().out
    assert main(["check", "-opt", path, "--set", "train.align_opt.site=conv_lst"]) == 2
    assert "train.align_opt.site: 'conv_lst' matches no module" in capsys.readouterr().err
