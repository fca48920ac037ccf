"""``adasr info`` tells what a weights file holds, or why it holds nothing of use."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import nn

from adasr.errors import WeightsError
from adasr.inference.info import describe_weights
from adasr.weights import build_network, convert, save_network

RECIPE = "regularizer: {type: AdaptiveDropout, p: 0.5}\ntrain: {total_iter: 900}\n"


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    net = build_network({"type": "SRResNet", "num_feat": 8, "num_block": 2, "upscale": 2})
    path = tmp_path / "net_g_500.safetensors"
    save_network(path, net, {"name": "run7", "iteration": "500", "options": RECIPE})
    return path


def test_network_training_and_reach_are_told(weights: Path) -> None:
    info = describe_weights(weights)
    assert info.arch["type"] == "SRResNet" and info.scale == 2 and info.channels == 3
    net = build_network(info.arch)
    assert info.parameters == sum(parameter.numel() for parameter in net.parameters())
    assert info.training["iteration"] == "500" and info.training["name"] == "run7"
    assert info.training["regularizer"]["type"] == "AdaptiveDropout"
    # Seven 3x3 convolutions: 6 at the input's size (with the upsampling one), 2 at twice it, and
    # the bilinear skip; 6 + ceil(2 / 2) = 7.
    assert info.overlap == 7 and info.exact and info.tile_error == 0
    assert "AdaptiveDropout" in str(info) and "x2" in str(info)
    assert json.loads(info.as_json())["scale"] == 2


def test_work_is_that_of_the_convolutions(tmp_path: Path) -> None:
    net = build_network({"type": "SRResNet", "num_feat": 8, "num_block": 1, "upscale": 1})
    save_network(tmp_path / "w.safetensors", net)
    per_pixel = 9 * (3 * 8 + 8 * 8 + 8 * 8 + 8 * 8 + 8 * 3)
    assert describe_weights(tmp_path / "w.safetensors").macs_per_pixel == per_pixel


def test_entries_of_a_pth_file_are_named(weights: Path, tmp_path: Path) -> None:
    convert(weights, tmp_path / "w.pth")
    info = describe_weights(tmp_path / "w.pth")
    assert info.entries == ["params", "params_ema"]
    assert "params_ema" in str(info)


def test_an_onnx_file_is_told(weights: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    from adasr.integrations.onnx import export_onnx

    export_onnx(weights, tmp_path / "w.onnx")
    info = describe_weights(tmp_path / "w.onnx")
    assert info.kind == "ONNX" and info.scale == 2 and info.arch["type"] == "SRResNet"
    assert 0 < info.overlap <= 7


def test_what_is_no_network_is_one_message(tmp_path: Path) -> None:
    (tmp_path / "byte.pth").write_bytes(b"x")
    with pytest.raises(WeightsError, match="is not a weights file"):
        describe_weights(tmp_path / "byte.pth")
    torch.save({"epoch": 3}, tmp_path / "other.pth")
    with pytest.raises(WeightsError, match="holds no weights"):
        describe_weights(tmp_path / "other.pth")
    torch.save(nn.Linear(3, 3).state_dict(), tmp_path / "linear.pth")
    with pytest.raises(WeightsError, match="no network known"):
        describe_weights(tmp_path / "linear.pth")


def test_a_discriminator_is_named(tmp_path: Path) -> None:
    from adasr.registry import DISCRIMINATOR_REGISTRY

    net = DISCRIMINATOR_REGISTRY.build({"type": "UNetDiscriminatorSN", "num_in_ch": 3})
    torch.save({"params": net.state_dict()}, tmp_path / "net_d.pth")
    with pytest.raises(WeightsError, match="a discriminator, which makes no images"):
        describe_weights(tmp_path / "net_d.pth")
