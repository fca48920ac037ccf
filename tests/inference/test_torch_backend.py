"""The network as it is run: in other numbers and in blocks, its result the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from adasr.inference import lean
from adasr.inference.compiled import Faster
from adasr.inference.device import choose_precision
from adasr.inference.lean import Lean, lowered
from adasr.inference.torch_backend import TorchBackend
from adasr.weights import build_network, save_network

CPU = torch.device("cpu")
NETWORKS = [
    {"type": "SRResNet", "num_feat": 8, "num_block": 2, "upscale": upscale} for upscale in (1, 3, 8)
] + [
    {"type": "RRDBNet", "num_feat": 8, "num_block": 1, "num_grow_ch": 4, "upscale": upscale}
    for upscale in (1, 2, 4)
]


@pytest.mark.parametrize("options", NETWORKS, ids=lambda o: f"{o['type']} x{o['upscale']}")
def test_enlarging_in_blocks_changes_nothing(
    options: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(lean._BLOCK, "cpu", 5)
    net = build_network(options).eval()
    x = torch.rand(2, 3, 52, 36)
    with torch.inference_mode():
        in_blocks = Lean(net, CPU)
        assert in_blocks.in_blocks
        torch.testing.assert_close(in_blocks(x), net(x), atol=1e-6, rtol=1e-5)


def test_a_network_with_hooks_of_its_own_is_called_as_a_whole() -> None:
    net = build_network(NETWORKS[0])
    seen = []
    net.register_forward_hook(lambda *_: seen.append(1))
    with torch.inference_mode():
        Lean(net, CPU)(torch.rand(1, 3, 8, 8))
    assert seen


@pytest.mark.parametrize("name", ["SRResNet", "RRDBNet", "SPAN", "Compact", "SwinIR"])
def test_weights_rounded_once_are_what_autocast_makes_of_them(name: str, tmp_path: Path) -> None:
    sizes = {
        "SRResNet": {"num_feat": 8, "num_block": 1},
        "RRDBNet": {"num_feat": 8, "num_block": 1, "num_grow_ch": 4},
        "SPAN": {"feature_channels": 8},
        "Compact": {"num_feat": 8, "num_conv": 2},
        "SwinIR": {"embed_dim": 12, "depths": [2], "num_heads": [2], "img_size": 8},
    }[name]
    net = build_network({"type": name, "upscale": 2, **sizes}).eval()
    save_network(tmp_path / "net.safetensors", net)
    x = torch.rand(1, 3, 24, 16)
    theirs = TorchBackend(net, "cpu", "bf16")(x)
    ours = TorchBackend(tmp_path / "net.safetensors", "cpu", "bf16")(x)
    assert ours.dtype == torch.float32
    torch.testing.assert_close(ours, theirs, atol=1 / 255, rtol=0)
    full = TorchBackend(net, "cpu", "fp32")(x)
    assert (ours - full).abs().max() < 0.05 * full.std()


def test_lowering_leaves_the_network_alone() -> None:
    net = build_network(NETWORKS[0])
    copied = lowered(net, torch.bfloat16)
    assert all(p.dtype == torch.float32 for p in net.parameters())
    assert all(p.dtype == torch.bfloat16 for p in copied.parameters())


def test_weights_that_change_count(tmp_path: Path) -> None:
    net = build_network(NETWORKS[1])
    backend, x = TorchBackend(net, "cpu", "bf16"), torch.rand(1, 3, 8, 8)
    before = backend(x)
    with torch.no_grad():
        net.get_parameter("conv_last.bias").add_(0.5)
    torch.testing.assert_close(backend(x), before + 0.5, atol=0.01, rtol=0)


def test_a_file_that_overflows_in_bf16_is_computed_again(tmp_path: Path) -> None:
    net = build_network({"type": "SRResNet", "num_feat": 4, "num_block": 1, "upscale": 1})
    save_network(tmp_path / "net.safetensors", net)
    backend, x = TorchBackend(tmp_path / "net.safetensors", "cpu", "bf16"), torch.rand(1, 3, 8, 8)
    full = TorchBackend(net, "cpu", "fp32")(x)
    backend._fast = lambda images: torch.full_like(images, float("inf"))  # type: ignore[assignment]
    assert torch.equal(backend(x), full)


def test_the_precision_goes_by_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    for has, expected in ((True, "bf16"), (False, "fp32")):
        monkeypatch.setattr("adasr.inference.device.cpu_has_bf16", lambda has=has: has)
        assert choose_precision("auto", CPU) == expected
    cuda = torch.device("cuda")
    for has, expected in ((True, "bf16"), (False, "fp16")):
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda has=has, **_: has)
        assert choose_precision("auto", cuda) == expected
    assert choose_precision("auto", torch.device("mps")) == "fp32"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["compiled", "plain"])
def test_a_compiled_network_gives_the_same(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever of the two was faster; what was measured is not called again."""

    def seconds(self: Faster, call: Callable[..., Tensor], tensors: object) -> float:
        return float((call is self._call) == (name == "compiled"))

    monkeypatch.setattr(Faster, "_seconds", seconds)
    net = build_network(NETWORKS[0]).eval()
    x = torch.rand(1, 3, 70, 64)
    backend = TorchBackend(net, "cpu", "fp32", compile=True)
    for images in (x[..., :20, :16], x, x, x[..., :66]):
        expected = TorchBackend(net, "cpu", "fp32")(images)
        torch.testing.assert_close(backend(images), expected, atol=1e-5, rtol=1e-4)
    parts: list[Any] = [backend._fast._enlarge]
    assert [part.chosen is part._call for part in parts] == [name == "plain"]
