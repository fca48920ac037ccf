"""spandrel's own loader reads our weights, and everything else as it did before."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

import adasr
from adasr.archs.keys import respelled
from adasr.archs.srresnet import UPSCALES, SRResNet
from adasr.integrations import spandrel_startup
from adasr.integrations.spandrel import SRResNetArch, install
from adasr.weights import build_network, convert, save_network

# After the plugin: spandrel imports torchvision, which that mends where it is broken.
import spandrel  # isort: skip

OURS = "adasr.SRResNet"
OTHERS: list[dict[str, Any]] = [
    {"type": "RRDBNet", "num_feat": 8, "num_block": 2, "num_grow_ch": 32},
    {"type": "Compact", "num_feat": 8, "num_conv": 2},
    {"type": "SPAN", "feature_channels": 8},
    {"type": "RealPLKSR", "dim": 8, "n_blocks": 2},
    {"type": "SwinIR", "embed_dim": 12, "depths": [2, 2], "num_heads": [2, 2], "img_size": 16},
    {
        "type": "HAT",
        "embed_dim": 12,
        "depths": [2, 2],
        "num_heads": [2, 2],
        "window_size": 4,
        "squeeze_factor": 4,
    },
    {
        "type": "DAT",
        "embed_dim": 32,
        "depth": [2, 2],
        "num_heads": [2, 2],
        "split_size": [2, 4],
        "img_size": 16,
    },
]


def without_ours() -> spandrel.ArchRegistry:
    """spandrel's registry as it is without adasr."""
    registry = spandrel.ArchRegistry()
    registry.add(*(s for s in spandrel.MAIN_REGISTRY if s.architecture.id != OURS))
    return registry


def detected(registry: spandrel.ArchRegistry, state: dict[str, Tensor]) -> list[str]:
    """All architectures that take ``state`` for theirs, in the order that spandrel asks them."""
    found = registry.architectures("detection")
    return [support.architecture.id for support in found if support.detect(state)]


def assert_same(found: Any, net: nn.Module) -> None:
    images = torch.rand(1, net.num_in_ch, 9, 12)
    with torch.no_grad():
        ours = net.eval()(images)
        torch.testing.assert_close(found.model.eval()(images), ours, rtol=0, atol=1e-6)
        torch.testing.assert_close(found(images), ours.clamp(0, 1), rtol=0, atol=1e-6)


def load(path: Path) -> Any:
    return spandrel.ModelLoader().load_from_file(path)


@pytest.mark.parametrize("upscale", UPSCALES)
@pytest.mark.parametrize("channels", [1, 3])
def test_what_spandrel_learns_of_a_network_is_right(upscale: int, channels: int) -> None:
    net = SRResNet(channels, channels, num_feat=6, num_block=3, upscale=upscale)
    found = spandrel.ModelLoader().load_from_state_dict(net.state_dict())
    assert found.architecture.id == OURS and found.architecture.name == "SRResNet"
    assert isinstance(found, spandrel.ImageModelDescriptor)
    assert found.purpose == ("Restoration" if upscale == 1 else "SR")
    assert found.tags == ["6nf", "3nb"]
    assert (found.scale, found.input_channels, found.output_channels) == (
        upscale,
        channels,
        channels,
    )
    assert found.size_requirements.none
    with torch.no_grad():
        assert found(torch.rand(1, channels, 1, 1)).shape[-1] == upscale
    assert_same(found, net)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_supported_as_said(dtype: torch.dtype) -> None:
    net = build_network({"type": "SRResNet", "num_feat": 16, "num_block": 2})
    found = spandrel.ModelLoader().load_from_state_dict(net.state_dict())
    assert found.supports_half and found.supports_bfloat16
    images = torch.rand(1, 3, 8, 8)
    with torch.no_grad():
        full = found(images)
        half = found.to(dtype)(images.to(dtype))
    torch.testing.assert_close(half.float(), full, rtol=0, atol=0.02)


def test_files_of_adasr_load(tmp_path: Path) -> None:
    net = build_network({"type": "SRResNet", "num_feat": 8, "num_block": 2})
    save_network(tmp_path / "net.safetensors", net)
    convert(tmp_path / "net.safetensors", tmp_path / "net.pth")
    for name in ("net.safetensors", "net.pth"):
        assert_same(load(tmp_path / name), net)
    rrdb = build_network(OTHERS[0])
    save_network(tmp_path / "rrdb.safetensors", rrdb)
    for layout in ("basicsr", "mmsr", "esrgan"):
        convert(tmp_path / "rrdb.safetensors", tmp_path / f"{layout}.pth", layout)
        found = load(tmp_path / f"{layout}.pth")
        assert found.architecture.id == "ESRGAN"
        assert_same(found, rrdb)


@pytest.mark.parametrize("wrap", ["params", "params_ema", ""])
def test_weights_of_a_regularized_training_load(tmp_path: Path, wrap: str) -> None:
    net = build_network({"type": "SRResNet", "num_feat": 16, "num_block": 2})
    adasr.attach(net, adasr.AdaptiveDropout(gate="vector"), example=torch.rand(1, 3, 8, 8))
    state = net.state_dict()
    assert any(key.startswith("adasr_regularizers.") for key in state)
    torch.save({wrap: state} if wrap else state, tmp_path / "net.pth")
    found = load(tmp_path / "net.pth")
    adasr.detach(net)
    assert_same(found, net)


def test_the_authors_weights_load(tmp_path: Path, shared: Path) -> None:
    golden = load_file(shared / "golden" / "xu2025_srresnet_details_x4.safetensors")
    state = {k.removeprefix("state."): v for k, v in golden.items() if k.startswith("state.")}
    torch.save({"params_ema": state}, tmp_path / "authors.pth")
    found = load(tmp_path / "authors.pth")
    assert found.architecture.id == OURS and found.tags == ["8nf", "16nb"]
    with torch.no_grad():
        output = found.model(golden["input"])
    torch.testing.assert_close(output, golden["output"], rtol=0, atol=1e-5)


@pytest.mark.parametrize("layout", ["basicsr", "authors", "mmsr"])
@pytest.mark.parametrize("upscale", UPSCALES)
def test_no_other_architecture_takes_our_weights(layout: str, upscale: int) -> None:
    net = build_network({"type": "SRResNet", "num_feat": 8, "num_block": 16, "upscale": upscale})
    state = respelled(net.state_dict(), "SRResNet", layout)
    assert detected(spandrel.MAIN_REGISTRY, state) == [OURS]


@pytest.mark.parametrize("upscale", [1, 2, 4])
@pytest.mark.parametrize("options", OTHERS, ids=lambda options: options["type"])
def test_ours_takes_no_weights_of_others(options: dict, upscale: int) -> None:
    state = build_network({**options, "upscale": upscale}).state_dict()
    before = detected(without_ours(), state)
    assert before and detected(spandrel.MAIN_REGISTRY, state) == before


def test_ours_takes_no_damaged_weights() -> None:
    state = build_network({"type": "SRResNet", "num_feat": 8, "num_block": 2}).state_dict()
    arch = SRResNetArch()
    assert arch.detect(state)
    assert not arch.detect({**state, "conv_after_body.weight": torch.zeros(8, 8, 3, 3)})
    assert not arch.detect({k: v for k, v in state.items() if k != "conv_hr.weight"})
    assert not arch.detect({"params": state, "weights": 3})


def test_it_comes_last_and_once() -> None:
    assert install() == []
    order = spandrel.MAIN_REGISTRY.architectures("detection")
    assert [support.architecture.id for support in order].count(OURS) == 1
    assert order[-1].architecture.id == OURS
    registry = without_ours()
    assert [added.architecture.id for added in install(registry)] == [OURS]
    assert OURS in registry and install(registry) == []


PROGRAM = """
import site, sys

class Missing:  # what adasr needs elsewhere; a program on spandrel need not have it
    def find_spec(self, name, *_):
        if name.partition(".")[0] in ("kornia", "cv2", "skimage", "lpips", "accelerate",
                                      "pydantic", "yaml", "typer", "rich", "matplotlib"):
            raise ImportError(name)

sys.meta_path.insert(0, Missing())
site.addsitedir(sys.argv[1])
assert not {"torch", "spandrel"} & sys.modules.keys(), "start-up is heavy"
import spandrel
print(spandrel.ModelLoader().load_from_file(sys.argv[2]).architecture.name)
"""


def program(*arguments: object) -> subprocess.CompletedProcess[str]:
    """A program on spandrel that never names adasr, in a Python of its own."""
    command = [sys.executable, "-c", PROGRAM, *map(str, arguments)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


def test_a_startup_file_is_enough_for_programs_that_never_name_adasr(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site = tmp_path / "site-packages"
    site.mkdir()
    assert spandrel_startup.main([str(site)]) == 0
    assert str(site / spandrel_startup.STARTUP_FILE) in capsys.readouterr().out
    net = build_network({"type": "SRResNet", "num_feat": 8, "num_block": 2})
    save_network(tmp_path / "net.safetensors", net)
    done = program(site, tmp_path / "net.safetensors")
    assert (done.returncode, done.stdout, done.stderr) == (0, "SRResNet\n", "")


def test_a_startup_file_that_outlives_adasr_is_silent(tmp_path: Path) -> None:
    spandrel_startup.write_startup_file(tmp_path)
    # Without site-packages there is no adasr.
    code = f"import site; site.addsitedir({str(tmp_path)!r})"
    command = [sys.executable, "-S", "-I", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_folder_that_cannot_be_written_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / spandrel_startup.STARTUP_FILE / "x").mkdir(parents=True)  # in the file's place
    assert spandrel_startup.main([str(tmp_path)]) == 1
    assert spandrel_startup.STARTUP_FILE in capsys.readouterr().err
    with pytest.raises(SystemExit):
        spandrel_startup.main([str(tmp_path / "missing")])
    assert "missing is no folder" in capsys.readouterr().err
