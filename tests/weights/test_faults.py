"""Weights that do not fit: the message says what they are, why, and what is wrong with them."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor

from adasr.errors import WeightsError
from adasr.weights import build_network, load_into, load_network, save_network

SMALL = {"type": "SRResNet", "num_feat": 8, "num_block": 2, "upscale": 4}
TINY_SWINIR = {
    "type": "SwinIR",
    "upscale": 2,
    "embed_dim": 12,
    "depths": [2, 2],
    "num_heads": [2, 2],
    "img_size": 16,
}


def state_of(options: dict) -> dict[str, Tensor]:
    return dict(build_network(options).state_dict())


def saved(path: Path, content: Any) -> Path:
    torch.save(content, path)
    return path


def message_of(path: Path) -> str:
    with pytest.raises(WeightsError) as error:
        load_network(path)
    message = str(error.value)
    assert message.startswith(str(path)) and "\n" not in message
    return message


def test_missing_keys_are_listed_with_the_arch_and_the_reason(tmp_path: Path) -> None:
    gone = [f"body.1.conv{i}.{kind}" for i in (1, 2) for kind in ("weight", "bias")]
    state = {k: v for k, v in state_of(SMALL).items() if k not in [*gone[1:], "conv_last.bias"]}
    message = message_of(saved(tmp_path / "net.pth", state))
    assert "SRResNet x4 with num_feat 8, num_block 2" in message
    assert "14 of 14 keys are its, such as conv_first.weight, body.0.conv1.weight" in message
    assert (
        "missing: body.1.conv1.bias, body.1.conv2.weight, body.1.conv2.bias and 1 more" in message
    )


@pytest.mark.parametrize(
    "options", [SMALL, {"type": "RRDBNet", "num_feat": 8, "num_block": 1, "num_grow_ch": 32}]
)
def test_one_key_too_many_does_not_hide_the_network(tmp_path: Path, options: dict) -> None:
    state = {**state_of(options), "gate.weight": torch.zeros(3)}
    message = message_of(saved(tmp_path / "net.pth", state))
    assert f"does not fit {options['type']} x4 with num_feat 8" in message
    assert f"{len(state) - 1} of {len(state)} keys are its" in message
    assert "not in the network: gate.weight" in message


@pytest.mark.parametrize("key", ["conv_first.weight", "conv_last.weight", "conv_hr.bias"])
def test_a_misshapen_key_is_named_with_both_shapes(tmp_path: Path, key: str) -> None:
    state = state_of(SMALL)
    shape = "x".join(map(str, state[key].shape))
    message = message_of(saved(tmp_path / "net.pth", {**state, key: torch.zeros(5, 5)}))
    assert "SRResNet x4" in message
    assert "of another shape: " in message and (f"{key} 5x5 instead of {shape}" in message)


def test_keys_are_named_as_the_file_spells_them(tmp_path: Path) -> None:
    from adasr.archs.keys import respelled

    state = respelled(state_of({**SMALL, "num_block": 16}), "SRResNet", "authors")
    message = message_of(saved(tmp_path / "net.pth", {**state, "gate.weight": torch.zeros(3)}))
    assert "such as conv_first.weight, body1.0.conv1.weight, upconv2.weight" in message


@pytest.mark.parametrize("how", ["adasr", "BasicSR"])
@pytest.mark.parametrize(
    "options", [SMALL, {"type": "RRDBNet", "num_feat": 8, "num_block": 1}, TINY_SWINIR]
)
def test_weights_for_another_scale_say_exactly_that(
    tmp_path: Path, options: dict, how: str
) -> None:
    path = tmp_path / "x2.pth"
    x2 = build_network({**options, "upscale": 2})
    if how == "adasr":
        save_network(path, x2)
    else:
        torch.save({"params": x2.state_dict()}, path)
    net = build_network({**options, "upscale": 4})
    with pytest.raises(WeightsError) as error:
        load_into(net, path)
    assert f"{path}: is for x2, the network is for x4" in str(error.value)
    assert f"the weights of {options['type']} x2" in str(error.value)
    assert "set the scale to 2" in str(error.value)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("options", [SMALL, TINY_SWINIR])
def test_weights_of_a_training_that_diverged_are_refused(
    tmp_path: Path, options: dict, value: float
) -> None:
    state = state_of(options)
    state["conv_last.weight"].view(-1)[3] = value
    path = saved(tmp_path / "net.pth", state)
    assert "not finite, first in conv_last.weight" in message_of(path)
    net = build_network(options)
    with pytest.raises(WeightsError, match=r"conv_last\.weight"):
        load_into(net, path)
    assert all(parameter.isfinite().all() for parameter in net.parameters())


def test_networks_of_other_kinds_are_called_by_their_name(
    tmp_path: Path, basicsr: ModuleType
) -> None:
    from basicsr.archs.discriminator_arch import UNetDiscriminatorSN, VGGStyleDiscriminator

    for discriminator in (UNetDiscriminatorSN(3, 4), VGGStyleDiscriminator(3, 4)):
        path = saved(tmp_path / "net_d.pth", {"params": discriminator.state_dict()})
        name = type(discriminator).__name__
        assert f"{name}, a discriminator" in message_of(path)
        with pytest.raises(WeightsError, match=f"the discriminator {name}"):
            load_into(build_network(SMALL), path)


def test_edsr_is_named_with_what_to_write(tmp_path: Path, basicsr: ModuleType) -> None:
    from basicsr.archs.edsr_arch import EDSR

    for upscale in (2, 3, 4):
        net = EDSR(3, 3, num_feat=8, num_block=5, upscale=upscale)
        message = message_of(saved(tmp_path / "net.pth", {"params": net.state_dict()}))
        assert "EDSR, whose res_scale" in message
        assert f"num_feat: 8, num_block: 5, upscale: {upscale}, res_scale: 1}}'" in message


def test_what_is_no_network_is_called_by_its_name(tmp_path: Path) -> None:
    parameter = torch.nn.Parameter(torch.zeros(3))
    optimizer = torch.optim.Adam([parameter])
    parameter.sum().backward()
    optimizer.step()
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, [5])
    files = {
        "the state of an optimizer": optimizer.state_dict(),
        "a training state of BasicSR": {
            "epoch": 1,
            "iter": 3,
            "optimizers": [optimizer.state_dict()],
            "schedulers": [schedule.state_dict()],
        },
        "a training state of adasr": {
            "iteration": 3,
            "network": state_of(SMALL),
            "ema": state_of(SMALL),
            "optimizer": optimizer.state_dict(),
        },
    }
    for name, content in files.items():
        assert f"is {name}" in message_of(saved(tmp_path / "3.state", content))


def test_an_incomplete_network_of_spandrel_names_its_keys(tmp_path: Path) -> None:
    state = state_of(TINY_SWINIR)
    del state["conv_last.bias"]
    message = message_of(saved(tmp_path / "net.pth", state))
    assert "a SwinIR that is not complete (missing: conv_last.bias)" in message


def test_a_choice_that_is_not_there_names_those_that_are(tmp_path: Path) -> None:
    path = saved(tmp_path / "net.pth", {"params": state_of(SMALL), "params_ema": state_of(SMALL)})
    with pytest.raises(WeightsError, match="holds no 'ema', only params, params_ema"):
        load_network(path, key="ema")
    load_network(saved(path, state_of(SMALL)), key="params")  # nothing to choose from
    state = {"iter": 3, "optimizers": [], "schedulers": []}
    with pytest.raises(WeightsError, match="is a training state of BasicSR"):
        load_network(saved(path, state), key="params")
