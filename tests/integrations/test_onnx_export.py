"""Exported networks compute what PyTorch does, on any size, and say what they need."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from adasr.errors import OptionError, WeightsError
from adasr.weights import build_network, save_network

onnx = pytest.importorskip("onnx")
ort = pytest.importorskip("onnxruntime")

from adasr.integrations.onnx import export_onnx  # noqa: E402  it needs the packages
from adasr.integrations.onnx.verify import largest_error, reference  # noqa: E402

WINDOWS: dict[str, Any] = {"embed_dim": 12, "num_heads": [2, 2], "depths": [2, 2], "upscale": 2}
NETWORKS: dict[str, dict[str, Any]] = {
    "srresnet": {"type": "SRResNet", "num_feat": 8, "num_block": 2},
    "srresnet-x3": {"type": "SRResNet", "num_feat": 8, "num_block": 1, "upscale": 3},
    "rrdbnet-x1": {
        "type": "RRDBNet",
        "num_feat": 8,
        "num_block": 1,
        "num_grow_ch": 4,
        "upscale": 1,
    },
    "rrdbnet-x2": {
        "type": "RRDBNet",
        "num_feat": 8,
        "num_block": 1,
        "num_grow_ch": 4,
        "upscale": 2,
    },
    "rrdbnet-x4": {
        "type": "RRDBNet",
        "num_feat": 8,
        "num_block": 1,
        "num_grow_ch": 4,
        "upscale": 4,
    },
    "gray": {"type": "SRResNet", "num_feat": 8, "num_block": 1, "num_in_ch": 1, "num_out_ch": 1},
    "compact": {"type": "Compact", "num_feat": 8, "num_conv": 2},
    "span": {"type": "SPAN", "feature_channels": 8},
    "realplksr": {"type": "RealPLKSR", "dim": 8, "n_blocks": 2},
    "swinir": {"type": "SwinIR", **WINDOWS},
    "hat": {"type": "HAT", "window_size": 8, "squeeze_factor": 4, **WINDOWS},
    "dat": {
        "type": "DAT",
        "depth": [2],
        "embed_dim": 32,
        "num_heads": [4],
        "split_size": [4, 8],
        "upscale": 2,
    },
}
SLOW = ("swinir", "hat", "dat")


def make(path: Path, options: dict[str, Any]) -> torch.nn.Module:
    net = build_network(options).eval()
    with torch.no_grad():  # untrained branches are so weak that they would hide faults
        for parameter in net.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
    save_network(path, net, {"name": "run"})
    return net


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.slow if n in SLOW else ()) for n in NETWORKS]
)
def test_computes_what_pytorch_computes_on_any_size_and_batch(name: str, tmp_path: Path) -> None:
    net = make(tmp_path / "w.safetensors", NETWORKS[name])
    done = export_onnx(tmp_path / "w.safetensors", tmp_path / "w.onnx")
    assert not done.one_by_one and len(done.sizes) == 5
    session = ort.InferenceSession(done.path, providers=["CPUExecutionProvider"])
    multiple, channels = getattr(net, "size_multiple", 1), session.get_inputs()[0].shape[1]
    for batch, high, wide in ((1, 16, 24), (3, 24, 40), (2, 40, 16)):
        image = torch.rand(batch, channels, high, wide)
        assert high % multiple == wide % multiple == 0
        with torch.no_grad():
            expected = net(image).numpy()
        result = session.run(None, {"input": image.numpy()})[0]
        np.testing.assert_allclose(result, expected, rtol=0, atol=1e-4 * max(1, expected.max()))


def test_the_file_says_what_it_needs(tmp_path: Path) -> None:
    make(tmp_path / "w.safetensors", NETWORKS["rrdbnet-x2"])
    done = export_onnx(tmp_path / "w.safetensors", tmp_path / "w.onnx", opset=16)
    model = onnx.load(tmp_path / "w.onnx")
    onnx.checker.check_model(model, full_check=True)
    held = {entry.key: entry.value for entry in model.metadata_props}
    assert (held["scale"], held["channels"], held["multiple"]) == ("2", "3", "2")
    assert json.loads(held["arch"])["type"] == "RRDBNet"
    assert held["opset"] == "16" and model.opset_import[0].version == 16
    assert held["name"] == "run"
    assert done.max_error is not None and float(held["max_error"]) == pytest.approx(
        done.max_error, rel=1e-3
    )
    assert f"{done.max_error:.1e}" in str(done)


def test_fp16_is_half_the_size_and_stays_close(tmp_path: Path) -> None:
    options = {"type": "SRResNet", "num_feat": 32, "num_block": 4}
    make(tmp_path / "w.safetensors", options)
    full = export_onnx(tmp_path / "w.safetensors", tmp_path / "32.onnx")
    half = export_onnx(tmp_path / "w.safetensors", tmp_path / "16.onnx", fp16=True)
    assert half.path.stat().st_size < 0.6 * full.path.stat().st_size
    assert half.precision == "fp16" and half.max_error is not None and half.max_error < 2 / 255
    inputs = ort.InferenceSession(half.path, providers=["CPUExecutionProvider"]).get_inputs()
    assert inputs[0].type == "tensor(float)"


def test_a_graph_of_other_weights_is_found_out() -> None:
    """Also where the branches are as weak as in a network that was just made."""
    net = build_network(NETWORKS["srresnet"]).eval()
    other = build_network(NETWORKS["srresnet"]).eval()
    from adasr.integrations.onnx.graph import to_graph

    expected = reference(net, 3)
    assert largest_error(to_graph(net, "traced", 3, 17), expected, False) <= expected.limit
    assert largest_error(to_graph(other, "traced", 3, 17), expected, False) > expected.limit


def test_unchecked_says_so(tmp_path: Path) -> None:
    make(tmp_path / "w.safetensors", NETWORKS["srresnet"])
    done = export_onnx(tmp_path / "w.safetensors", tmp_path / "w.onnx", check=False)
    assert done.max_error is None and "not checked" in str(done)


def test_wrong_use_is_told_and_leaves_an_earlier_file(tmp_path: Path) -> None:
    make(tmp_path / "w.safetensors", NETWORKS["srresnet"])
    target = tmp_path / "w.onnx"
    target.write_bytes(b"before")
    with pytest.raises(OptionError, match=r"must end in \.onnx"):
        export_onnx(tmp_path / "w.safetensors", tmp_path / "w.pt")
    with pytest.raises(OptionError, match="must be 14 to 20"):
        export_onnx(tmp_path / "w.safetensors", target, opset=9)
    with pytest.raises(WeightsError, match="does not exist"):
        export_onnx(tmp_path / "none.pth", target)
    assert target.read_bytes() == b"before"


def test_a_network_that_onnx_lacks_is_one_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path / "w.safetensors", NETWORKS["srresnet"])
    from adasr.integrations.onnx import export

    def fail(*_: object) -> bytes:
        raise RuntimeError("operator aten::odd is not there\nand more")

    monkeypatch.setattr(export, "to_graph", fail)
    with pytest.raises(WeightsError, match=r"cannot be exported \(operator aten::odd is not there"):
        export_onnx(tmp_path / "w.safetensors", tmp_path / "w.onnx")
    assert not (tmp_path / "w.onnx").exists()
