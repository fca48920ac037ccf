"""The adversarial stage from an option file: begun from the first stage, stopped and resumed."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate import Accelerator
from torch.utils._python_dispatch import TorchDispatchMode

from adasr.errors import TrainingError
from adasr.losses.gan import GANLoss
from adasr.options import Options
from adasr.training.batches import Pairs
from adasr.training.checkpoint import load_state
from adasr.training.log import TrainingLog, read_metrics
from adasr.training.run import make_trainer, run_training

NET_D = {"type": "UNetDiscriminatorSN", "num_feat": 4}
MakeOptions = Callable[..., Options]


def gan(options: MakeOptions, **changes: Any) -> Options:
    relativistic = changes.pop("relativistic", False)
    loss = {"type": "GANLoss", "loss_weight": 0.1, "relativistic": relativistic}
    train = {"gan_opt": loss, **changes.pop("train", {})}
    return options(network_d=NET_D, train=train, **changes)


def states_equal(one: Any, other: Any) -> bool:
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(states_equal(one[k], other[k]) for k in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(states_equal, one, other))
    return one == other


def folder_of(options: Options) -> Path:
    return Path(options.path.experiments_root) / options.name


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({}, id="adaptive dropout"),
        pytest.param({"regularizer": None}, id="without"),
        pytest.param(
            {"train": {"accumulate": 2, "net_d_iters": 2, "net_d_init_iters": 2}}, id="in turns"
        ),
        pytest.param({"train": {"precision": "bf16"}, "relativistic": True}, id="relativistic"),
    ],
)
def test_it_resumes_to_the_same_bits(options: MakeOptions, changes: dict[str, Any]) -> None:
    made = gan(options, **changes)
    run_training(made)
    states = folder_of(made) / "training_states"
    whole = load_state(states / "8.state")
    (states / "8.state").unlink()
    run_training(made, auto_resume=True)
    assert states_equal(load_state(states / "8.state"), whole)


def test_the_losses_of_both_sides_are_logged(options: MakeOptions) -> None:
    made = gan(options)
    run_training(made)
    train = [line for line in read_metrics(folder_of(made)) if line["kind"] == "train"]
    sides = {"l_pix", "l_g_gan", "l_d_real", "l_d_fake", "out_d_real", "out_d_fake"}
    assert all(sides <= {*line, *line.get("losses", {})} for line in train)


def test_no_iteration_waits_for_a_gpu(
    options: MakeOptions, tmp_path: Path, never_waits: TorchDispatchMode
) -> None:
    """And ends as where every step is looked at; what was left out is told with the next line."""
    ends, told = [], []
    for deferred in (False, True):
        accelerator = Accelerator(cpu=True, mixed_precision="no")
        log = TrainingLog(tmp_path / f"{deferred}", 6, tensorboard=False, quiet=True)
        trainer = make_trainer(gan(options), accelerator, tmp_path / f"{deferred}", log)
        assert trainer.adversary is not None
        trainer.watch.deferred = trainer.adversary.deferred = deferred
        random = torch.Generator().manual_seed(1)
        warned: list[str] = []
        trainer.watch.streak.warn = trainer.unjudged.warn = warned.append
        torch.manual_seed(2)
        for iteration in range(1, 7):
            lq, gt = (torch.rand(2, 3, s, s, generator=random) for s in (16, 32))
            if iteration == 3:
                lq[0, 0, 0, 0] = float("nan")
            source: Any = iter([Pairs(lq, gt, ["x.png"], {}, {"data": 0.0, "degradation": 0.0})])
            with never_waits if deferred else contextlib.nullcontext():
                trainer.iterate(source, iteration)
        trainer.watch.tell()
        ends.append((trainer.net, trainer.adversary.net, trainer.ema.network))
        told.append(warned)
    assert told[0] == told[1]
    assert len(told[0]) == 1 and "iteration 3: loss or gradient (l_pix = nan" in told[0][0]
    for at_once, later in zip(*ends, strict=True):
        for key, value in at_once.state_dict().items():
            torch.testing.assert_close(later.state_dict()[key], value, rtol=1e-6, atol=1e-7)


def test_a_discriminator_that_fails_is_told_with_its_own_options(
    options: MakeOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    loss = GANLoss._loss

    def fails(self: GANLoss, pred: torch.Tensor, real: bool, is_disc: bool) -> torch.Tensor:
        return loss(self, pred, real, is_disc) * (float("nan") if is_disc else 1.0)

    monkeypatch.setattr(GANLoss, "_loss", fails)
    with pytest.raises(TrainingError, match=r"train\.optim_d\.lr.*train\.gan_opt") as caught:
        run_training(gan(options, train={"total_iter": 12}))
    assert "optim_g" not in str(caught.value) and "grad_clip" not in str(caught.value)


def test_it_starts_from_the_first_stage(options: MakeOptions) -> None:
    first = options(train={"total_iter": 2})
    run_training(first)
    weights = folder_of(first) / "models" / "net_g_2.safetensors"
    path = {"experiments_root": str(first.path.experiments_root)}
    second = gan(
        options,
        name="second",
        path={**path, "pretrain_network_g": str(weights)},
        train={"total_iter": 1, "net_d_init_iters": 5},  # the discriminator alone
    )
    run_training(second)
    end = folder_of(second) / "models" / "net_g_1.safetensors"
    from adasr.weights import load_state as load_weights

    for key, value in load_weights(weights).items():
        torch.testing.assert_close(load_weights(end)[key], value)
