"""Weights files: written whole, read safely, and the network is known from the file alone."""

from __future__ import annotations

import io
import json
import os
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import nn

from adasr.errors import WeightsError
from adasr.weights import build_network, load_into, load_network, load_state, save_network

SMALL = {"type": "SRResNet", "num_feat": 8, "num_block": 2, "upscale": 2}
TINY_SWINIR = {
    "type": "SwinIR",
    "upscale": 2,
    "embed_dim": 12,
    "depths": [2, 2],
    "num_heads": [2, 2],
    "img_size": 16,
}


def same_output(a: nn.Module, b: nn.Module) -> bool:
    images = torch.rand(1, 3, 16, 16)
    with torch.no_grad():
        return torch.equal(a.eval()(images), b.eval()(images))


def metadata(path: Path) -> dict[str, str]:
    with safe_open(path, "pt") as file:
        return file.metadata()


@pytest.mark.parametrize("options", [SMALL, TINY_SWINIR, {"type": "Compact", "num_conv": 2}])
def test_a_saved_network_loads_from_the_file_alone(tmp_path: Path, options: dict) -> None:
    net = build_network(options)
    path = tmp_path / "net.safetensors"
    save_network(path, net, {"iteration": "7"})
    loaded = load_network(path)
    assert not loaded.training
    assert loaded.arch_options == net.arch_options
    assert loaded.upscale == net.upscale
    assert same_output(loaded, net)
    found = metadata(path)
    assert found["format"] == "adasr" and found["iteration"] == "7"
    assert found["scale"] == str(net.upscale)
    assert json.loads(found["arch"]) == net.arch_options


def test_equal_weights_give_equal_files_that_safetensors_reads(tmp_path: Path) -> None:
    net = build_network(SMALL)
    extra = {str(i): "x" for i in range(20)}
    for name in "ab":
        save_network(tmp_path / name, net, extra)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    for key, value in load_file(tmp_path / "a").items():
        assert torch.equal(value, net.state_dict()[key])


def test_a_regularized_network_saves_as_the_plain_one(tmp_path: Path) -> None:
    net = build_network(SMALL)
    save_network(tmp_path / "plain", net)
    net.add_module("adasr_regularizers", nn.ModuleDict({"gate": nn.Linear(2, 2)}))
    save_network(tmp_path / "regularized", net)
    assert (tmp_path / "plain").read_bytes() == (tmp_path / "regularized").read_bytes()
    before = net.get_parameter("adasr_regularizers.gate.weight").clone()
    assert load_into(net, tmp_path / "plain") == []
    assert torch.equal(net.get_parameter("adasr_regularizers.gate.weight"), before)


def test_half_precision_and_wrapped_networks_are_saved_as_plain_float32(tmp_path: Path) -> None:
    net = build_network(SMALL)
    save_network(tmp_path / "compiled", torch.compile(net))  # pyright: ignore[reportArgumentType]
    save_network(tmp_path / "parallel", nn.DataParallel(net))
    save_network(tmp_path / "plain", net)
    assert (tmp_path / "compiled").read_bytes() == (tmp_path / "plain").read_bytes()
    assert (tmp_path / "parallel").read_bytes() == (tmp_path / "plain").read_bytes()
    save_network(tmp_path / "half", net.bfloat16())
    assert {v.dtype for v in load_file(tmp_path / "half").values()} == {torch.float32}


def test_a_failed_save_leaves_the_earlier_file(tmp_path: Path, monkeypatch: Any) -> None:
    path = tmp_path / "net.safetensors"
    save_network(path, build_network(SMALL))
    before = path.read_bytes()

    def no_space(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", no_space)
    with pytest.raises(OSError, match="No space"):
        save_network(path, build_network(SMALL))
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["net.safetensors"]


@pytest.mark.parametrize("wrap", ["plain", "params", "params_ema", "state_dict", "module."])
@pytest.mark.parametrize("legacy", [False, True])
def test_pth_files_of_other_programs_load(tmp_path: Path, wrap: str, legacy: bool) -> None:
    net = build_network(SMALL)
    state: dict[str, Any] = dict(net.state_dict())
    if wrap == "module.":
        state = {f"module.{key}": value for key, value in state.items()}
    elif wrap == "params_ema":
        state = {"params": build_network(SMALL).state_dict(), "params_ema": state}
    elif wrap != "plain":
        state = {wrap: state, "iter": 5}
    path = tmp_path / "net.pth"
    torch.save(state, path, _use_new_zipfile_serialization=not legacy)
    assert same_output(load_network(path), net)


@pytest.mark.parametrize(
    "file", ["xu2025_srresnet_details_x4.safetensors", "kong2022_srresnet_x4.safetensors"]
)
def test_released_networks_load_and_reproduce_their_outputs(
    shared: Path, tmp_path: Path, file: str
) -> None:
    golden = load_file(shared / "golden" / file)
    state = {k.removeprefix("state."): v for k, v in golden.items() if k.startswith("state.")}
    torch.save({"params": state}, tmp_path / "released.pth")
    net = load_network(tmp_path / "released.pth")
    assert net.upscale == 4
    with torch.no_grad():
        torch.testing.assert_close(net(golden["input"]), golden["output"], rtol=0, atol=1e-5)
    into = build_network({"type": "SRResNet", "num_feat": 8})
    assert load_into(into, tmp_path / "released.pth") == []
    assert same_output(into, net)


@pytest.mark.parametrize(
    "options",
    [
        {"type": "RRDBNet", "upscale": 2, "num_feat": 8, "num_block": 2, "num_grow_ch": 4},
        TINY_SWINIR,
        {"type": "SPAN", "upscale": 2, "feature_channels": 8},
        {"type": "RealPLKSR", "upscale": 2, "dim": 8, "n_blocks": 2},
    ],
)
def test_community_weights_without_metadata_are_recognized(tmp_path: Path, options: dict) -> None:
    net = build_network(options)
    path = tmp_path / "community.safetensors"
    save_file({k: v.contiguous() for k, v in net.eval().state_dict().items()}, path)
    loaded = load_network(path)
    assert loaded.upscale == 2
    assert same_output(loaded, net)
    save_network(tmp_path / "again.safetensors", loaded)
    assert same_output(load_network(tmp_path / "again.safetensors"), net)


class Trap:
    """Unpickling it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.path,))


def pth(content: Any, legacy: bool = False) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer, _use_new_zipfile_serialization=not legacy)
    return buffer.getvalue()


@pytest.mark.parametrize("form", ["pickle", "pickle2", "zip", "legacy"])
@pytest.mark.parametrize("name", ["net.pth", "net.safetensors"])
def test_a_pickle_with_code_is_refused_and_never_run(tmp_path: Path, form: str, name: str) -> None:
    trap = Trap(tmp_path / "sprung")
    content = {"conv_first.weight": torch.zeros(1), "extra": trap}
    data = {
        "pickle": lambda: pickle.dumps(trap),
        "pickle2": lambda: pickle.dumps(trap, protocol=2),
        "zip": lambda: pth(content),
        "legacy": lambda: pth(content, legacy=True),
    }[form]()
    path = tmp_path / name
    path.write_bytes(data)
    for load in (load_state, load_network, lambda p: load_into(build_network(SMALL), p)):
        with pytest.raises(WeightsError, match="refused"):
            load(path)
    assert not trap.path.exists()


def broken_files() -> dict[str, tuple[bytes | None, str]]:
    net = build_network(SMALL)
    state = {k: v.contiguous() for k, v in net.state_dict().items()}
    from safetensors.torch import save

    good, zipped = save(state), pth(state)
    scripted = io.BytesIO()
    torch.jit.save(torch.jit.trace(nn.Conv2d(3, 3, 1), torch.zeros(1, 3, 4, 4)), scripted)
    return {
        "missing": (None, "does not exist"),
        "empty": (b"", "is empty"),
        "text": (b"Not Found: the file you asked for is not here\n" * 9, "not a weights file"),
        "html": (b"<!DOCTYPE html><html></html>", "not a weights file"),
        "json": (b'{"a": 1}', "not a weights file"),
        "png": (b"\x89PNG\r\n\x1a\n" + bytes(50), "not a weights file"),
        "truncated safetensors": (good[: len(good) // 2], "damaged or not complete"),
        "truncated header": (good[:100], "damaged or not complete"),
        "truncated zip": (zipped[: len(zipped) // 2], "damaged or not complete"),
        "truncated legacy": (pth(state, legacy=True)[:2000], "damaged or not complete"),
        "other zip": (b"PK\x03\x04" + bytes(60), "damaged or not complete"),
        "torchscript": (scripted.getvalue(), "refused"),
        "no tensors": (pth({"epoch": 3, "name": "x"}), "no weights"),
        "a number": (pth(3), "no weights"),
        "other network": (
            save({"fc.weight": torch.zeros(3, 3), "fc.bias": torch.zeros(3)}),
            "no network known here",
        ),
        "incomplete network": (
            save({k: v for k, v in state.items() if "body.1.conv2" not in k}),
            "missing: body.1.conv2.weight",
        ),
        "future arch": (
            save(state, {"format": "adasr", "arch": '{"type": "SRResNetZ"}'}),
            "SRResNetZ",
        ),
        "broken metadata": (save(state, {"format": "adasr", "arch": "{"}), "names no network"),
    }


@pytest.mark.parametrize("case", broken_files())
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_file_that_cannot_be_used_gives_one_clear_error(
    tmp_path: Path, case: str, suffix: str, recwarn: pytest.WarningsRecorder
) -> None:
    data, problem = broken_files()[case]
    recwarn.clear()
    path = tmp_path / f"net{suffix}"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(WeightsError, match=problem) as error:
        load_network(path)
    message = str(error.value)
    assert message.startswith(str(path)) and "\n" not in message and len(message) < 500
    hidden = (DeprecationWarning, FutureWarning)  # Python does not show them to users
    assert not [w for w in recwarn if not issubclass(w.category, hidden)]


def test_a_folder_is_no_weights_file(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="is a folder"):
        load_network(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "net.pth")
    with pytest.raises(WeightsError, match="no regular file"):
        load_network(tmp_path / "net.pth")


@pytest.mark.parametrize(
    ("other", "named"),
    [
        ({**SMALL, "upscale": 4}, "SRResNet x4"),
        ({**SMALL, "num_feat": 16}, "num_feat 16"),
        ({**SMALL, "num_block": 3}, "num_block 3"),
        ({"type": "RRDBNet", "num_feat": 8, "num_block": 1}, "RRDBNet x4"),
        (TINY_SWINIR, "SwinIR x2"),
    ],
)
def test_weights_of_another_network_name_both_and_change_nothing(
    tmp_path: Path, other: dict, named: str
) -> None:
    path = tmp_path / "other.safetensors"
    save_network(path, build_network(other))
    net = build_network(SMALL)
    before = {key: value.clone() for key, value in net.state_dict().items()}
    with pytest.raises(WeightsError, match="does not fit SRResNet x2") as error:
        load_into(net, path)
    assert named in str(error.value)
    assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items())


def test_without_strict_what_fits_is_loaded_and_the_rest_named(tmp_path: Path) -> None:
    source = build_network({**SMALL, "upscale": 4})
    save_network(tmp_path / "x4", source)
    net = build_network({**SMALL, "upscale": 3})
    assert load_into(net, tmp_path / "x4", strict=False) == ["upconv1.weight", "upconv1.bias"]
    assert torch.equal(net.state_dict()["conv_hr.weight"], source.state_dict()["conv_hr.weight"])
    save_file({"fc.weight": torch.zeros(3)}, tmp_path / "none")
    with pytest.raises(WeightsError, match="does not fit"):
        load_into(net, tmp_path / "none", strict=False)


def test_swinir_weights_fit_whatever_size_they_were_trained_on(tmp_path: Path) -> None:
    save_network(tmp_path / "16", build_network(TINY_SWINIR))
    net = build_network({**TINY_SWINIR, "img_size": 24})
    assert load_into(net, tmp_path / "16") == []
