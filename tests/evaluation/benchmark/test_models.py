"""What networks are called, and which are seeds of one configuration."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import torch
import yaml

from adasr.errors import OptionError, WeightsError
from adasr.evaluation.benchmark.models import GrayPlanes, ModelFile, read_models
from adasr.weights import build_network, save_network

Weights = Callable[..., Path]


@pytest.fixture
def weights(tmp_path: Path) -> Weights:
    """Writes weights as a training does: name, iteration and options in the metadata."""

    def write(file: str, scale: int = 2, seed: int = 0, **options: object) -> Path:
        torch.manual_seed(seed)
        net = build_network({"type": "SRResNet", "upscale": scale, "num_feat": 4, "num_block": 1})
        metadata = {}
        if options:
            held = {"scale": scale, "manual_seed": seed, **options}
            metadata = {
                "name": str(held.get("name", "run")),
                "iteration": "100",
                "options": yaml.safe_dump(held),
            }
        path = tmp_path / file
        save_network(path, net, metadata)
        return path

    return write


def read(
    *files: ModelFile | Path, groups: Mapping[str, str] | None = None, told: list[str] | None = None
) -> dict[str, str]:
    found = [f if isinstance(f, ModelFile) else ModelFile(f) for f in files]
    sink = [] if told is None else told
    _, contestants = read_models(found, groups or {}, lambda metadata: None, sink.append)
    return {c.model.name: c.model.group for c in contestants}


def test_a_model_is_called_as_its_training_or_its_file_or_its_folder(weights: Weights) -> None:
    named = weights("a/net_g_100.safetensors", name="adaptive")
    file = weights("fancy.safetensors", seed=1)
    folder = weights("experiments/plain/models/net_g_latest.safetensors", seed=2)
    told: list[str] = []
    assert list(read(named, file, folder, told=told)) == ["adaptive", "fancy", "plain"]
    assert list(read(ModelFile(named, name="mine"))) == ["mine"]
    assert not told


def test_two_of_one_name_are_told_apart(weights: Weights) -> None:
    first, second = weights("x/net.safetensors"), weights("y/net.safetensors", seed=1)
    names = list(read(first, second))
    assert len(set(names)) == 2
    assert all(name.startswith("net ") for name in names)
    bicubic = read(weights("bicubic.safetensors"))
    assert "bicubic" not in bicubic


def test_one_file_twice_is_one_and_equal_weights_are_told(weights: Weights) -> None:
    told: list[str] = []
    path, twin = weights("net.safetensors"), weights("twin.safetensors")
    assert list(read(path, path, twin, told=told)) == ["net", "twin"]
    assert "twice" in told[0]
    assert "same weights" in told[1]


def test_seeds_of_one_configuration_are_a_group(weights: Weights) -> None:
    regularizer = {"type": "AdaptiveDropout", "p": 0.5}
    paths = [
        weights(f"{i}.safetensors", seed=i, name=f"adaptive_s{i}", regularizer=regularizer)
        for i in range(2)
    ]
    other = weights("o.safetensors", seed=5, name="strong_s0", regularizer={**regularizer, "p": 1})
    assert read(*paths, other) == {
        "adaptive_s0": "adaptive",
        "adaptive_s1": "adaptive",
        "strong_s0": "strong_s0",
    }


def test_groups_can_be_named(weights: Weights) -> None:
    paths = [weights(f"plain_{i}.safetensors", seed=i) for i in range(2)]
    assert set(read(*paths, groups={"plain": "plain_*"}).values()) == {"plain"}
    with pytest.raises(OptionError, match=r"--group.*plain_0, plain_1"):
        read(*paths, groups={"plain": "nothing*"})
    named = [ModelFile(path, group="ours", seed=i) for i, path in enumerate(paths)]
    assert set(read(*named).values()) == {"ours"}


def test_networks_of_two_scales_are_refused(weights: Weights) -> None:
    with pytest.raises(OptionError, match=r"a\.safetensors enlarges x2.*b\.safetensors x4"):
        read(weights("a.safetensors"), weights("b.safetensors", scale=4))


def test_what_is_no_weights_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="does not exist"):
        read(tmp_path / "missing.safetensors")
    (tmp_path / "net.onnx").write_bytes(b"x")
    with pytest.raises(WeightsError, match="exported from"):
        read(tmp_path / "net.onnx")


def test_a_gray_network_takes_colours_plane_by_plane() -> None:
    net = build_network(
        {"type": "SRResNet", "upscale": 2, "num_feat": 4, "num_block": 1, "num_in_ch": 1,
         "num_out_ch": 1}
    ).eval()  # fmt: skip
    lq = torch.rand(2, 3, 8, 9)
    with torch.no_grad():
        together = GrayPlanes(net)(lq)
        alone = torch.stack([net(lq[:, c : c + 1])[:, 0] for c in range(3)], dim=1)
    assert together.shape == (2, 3, 16, 18)
    assert torch.allclose(together, alone, atol=1e-6)
