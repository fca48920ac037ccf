"""ONNX files in the tiler: the same pixels as PyTorch, whoever wrote the file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from adasr.errors import OptionError, WeightsError
from adasr.weights import build_network, save_network

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from adasr.inference.backend import Backend
from adasr.inference.onnx_backend import OnnxBackend
from adasr.inference.receptive_field import measure_reach
from adasr.inference.torch_backend import TorchBackend
from adasr.inference.upscaler import Upscaler
from adasr.integrations.onnx import export_onnx


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Weights and the ONNX file made of them."""
    folder = tmp_path_factory.mktemp("onnx")
    torch.manual_seed(0)
    net = build_network({"type": "RRDBNet", "num_feat": 8, "num_block": 1, "upscale": 2}).eval()
    save_network(folder / "w.safetensors", net)
    export_onnx(folder / "w.safetensors", folder / "w.onnx")
    return folder / "w.safetensors", folder / "w.onnx"


def write(net: nn.Module, path: Path, free: bool = True, shape: tuple[int, ...] = ()) -> Path:
    """An ONNX file as other tools write it: no metadata, names of its own."""
    axes = {"lr": {0: "n", 2: "h", 3: "w"}} if free else None
    image = torch.rand(shape or (1, 3, 24, 32))
    torch.onnx.export(
        net.eval(), (image,), str(path), dynamo=False, input_names=["lr"], dynamic_axes=axes
    )
    return path


class Shuffled(nn.Module):
    """Takes multiples of 4; x2."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(48, 192, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        n, c, h, w = x.shape
        folded = x.reshape(n, c, h // 4, 4, w // 4, 4).permute(0, 1, 3, 5, 2, 4)
        return nn.functional.pixel_shuffle(self.conv(folded.reshape(n, 48, h // 4, w // 4)), 8)


def test_is_a_backend_with_the_numbers_of_the_network(pair: tuple[Path, Path]) -> None:
    ours, theirs = OnnxBackend(pair[1]), TorchBackend(pair[0], "cpu", "fp32")
    assert isinstance(ours, Backend)
    for name in ("upscale", "channels", "multiple", "minimum", "precision"):
        assert getattr(ours, name) == getattr(theirs, name)
    images = torch.rand(3, 3, 20, 34)
    torch.testing.assert_close(ours(images), theirs(images), rtol=0, atol=1e-5)
    assert 0 < ours.bytes_per_pixel() < 1e6


@pytest.mark.parametrize("tile", [0, 16])
def test_upscaler_takes_the_file_and_gives_the_same_pixels(
    pair: tuple[Path, Path], tile: int
) -> None:
    image = np.random.default_rng(0).integers(0, 65536, (37, 51, 4)).astype(np.uint16)
    ours = Upscaler(pair[1], tile=tile)
    assert ours.backend.name == "onnxruntime"
    result = ours(image)
    expected = Upscaler(pair[0], "cpu", "fp32", tile=0)(image)
    assert result.dtype == np.uint16 and result.shape == expected.shape
    assert np.abs(result.astype(int) - expected.astype(int)).max() <= 2  # of 65535


def test_files_of_other_tools_are_found_out_by_running_them(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = Shuffled()
    backend = OnnxBackend(write(net, tmp_path / "other.onnx"))
    assert (backend.upscale, backend.multiple, backend.channels) == (2, 4, 3)
    image = np.random.default_rng(0).random((19, 22, 3), dtype=np.float32)
    assert Upscaler(tmp_path / "other.onnx")(image).shape == (38, 44, 3)


def test_tiles_overlap_as_far_as_the_network_looks(tmp_path: Path) -> None:
    """ONNX Runtime's ReLU makes a number of NaN, by which PyTorch networks are measured."""
    net = nn.Sequential(nn.Conv2d(3, 8, 5, padding=2), nn.ReLU(), nn.Conv2d(8, 3, 3, padding=1))
    backend = OnnxBackend(write(net, tmp_path / "relu.onnx"))
    assert measure_reach(backend.probe, 3).overlap == 3


def test_half_precision_files_are_fed_half_precision(tmp_path: Path) -> None:
    net = nn.Sequential(nn.Conv2d(3, 12, 3, padding=1), nn.PixelShuffle(2))
    path = write(net, tmp_path / "full.onnx")
    import onnx
    from onnxruntime.transformers.float16 import convert_float_to_float16

    onnx.save(convert_float_to_float16(onnx.load(path)), tmp_path / "half.onnx")
    half, full = OnnxBackend(tmp_path / "half.onnx"), OnnxBackend(path)
    assert half.precision == "fp16"
    images = torch.rand(2, 3, 17, 21)
    torch.testing.assert_close(half(images), full(images), rtol=0, atol=5e-3)


def test_files_that_cannot_be_used_say_why(tmp_path: Path, pair: tuple[Path, Path]) -> None:
    (tmp_path / "byte.onnx").write_bytes(b"x")
    with pytest.raises(WeightsError, match="is not an ONNX file"):
        OnnxBackend(tmp_path / "byte.onnx")
    with pytest.raises(WeightsError, match="does not exist"):
        OnnxBackend(tmp_path / "none.onnx")
    net = nn.Conv2d(3, 3, 3, padding=1)
    with pytest.raises(WeightsError, match="images of 24x32 pixels only"):
        OnnxBackend(write(net, tmp_path / "fixed.onnx", free=False))
    with pytest.raises(WeightsError, match="batch of RGB or gray images"):
        OnnxBackend(write(nn.Conv2d(4, 4, 1), tmp_path / "four.onnx", shape=(1, 4, 24, 32)))
    with pytest.raises(WeightsError, match="adasr export"):
        OnnxBackend(pair[0])


def test_what_the_file_cannot_do_is_refused(pair: tuple[Path, Path]) -> None:
    with pytest.raises(OptionError, match="fp32"):
        OnnxBackend(pair[1], precision="bf16")
    with pytest.raises(OptionError, match="cannot be used by ONNX Runtime here"):
        OnnxBackend(pair[1], "xla")
