"""The adversarial stage from an option file: begun from the first stage, stopped and resumed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from adasr.options import Options
from adasr.training.checkpoint import load_state
from adasr.training.log import read_metrics
from adasr.training.run import run_training

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
