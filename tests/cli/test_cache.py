"""``adasr cache`` and trainings on cached images."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from adasr.cli import main
from adasr.weights import load_network

Recipe = Callable[..., Path]
SHORT = {"total_iter": 3}


@pytest.fixture
def own_images(images: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(images, tmp_path / "images"))


def train_set(folder: Path, **more: object) -> dict:
    held = {"type": "ImageFolder", "gt_size": 32, "batch_size_per_gpu": 2, "num_worker_per_gpu": 1}
    return {"train": {**held, "dataroot_gt": str(folder), **more}}


def weights(experiments: Path, name: str) -> dict[str, torch.Tensor]:
    return load_network(experiments / name / "models" / "net_g_3.safetensors").state_dict()


def test_built_once_and_the_training_is_the_same(recipe: Recipe, own_images, tmp_path, capsys):
    def train(name: str, cache: str) -> dict[str, torch.Tensor]:
        file = recipe(name=name, datasets=train_set(own_images, cache=cache), train=SHORT)
        assert main(["train", "-opt", str(file)]) == 0
        return weights(tmp_path / "experiments", name)

    file = recipe(datasets=train_set(own_images, cache="disk"))
    assert main(["cache", "-opt", str(file)]) == 0
    built = capsys.readouterr().out
    assert built.startswith("cache: 5 images, 0.") and ".adasr_cache" in built
    assert main(["cache", "-opt", str(file)]) == 0
    assert capsys.readouterr().out.startswith("cache: 5 images in")
    plain = train("plain", "none")
    assert "cache" not in capsys.readouterr().out
    for cache in ("ram", "disk"):
        found = train(cache, cache)
        assert all(torch.equal(found[key], plain[key]) for key in plain)
    assert "cache: 5 images in" in capsys.readouterr().out


def test_train_builds_what_is_missing(recipe: Recipe, own_images, tmp_path, capsys):
    place = tmp_path / "fast"
    datasets = train_set(own_images, cache="disk", cache_dir=str(place))
    assert main(["train", "-opt", str(recipe(datasets=datasets, train=SHORT))]) == 0
    assert len(list(place.glob("gt-*.adasr"))) == 1
    assert "cache: 5 images, 0." in capsys.readouterr().out
    assert "cache: 5 images, 0." in (tmp_path / "experiments/run/train.log").read_text()


@pytest.mark.parametrize("rank", ["LOCAL_RANK", "OMPI_COMM_WORLD_LOCAL_RANK"])
def test_of_several_processes_on_a_machine_the_first_builds(
    recipe: Recipe, own_images, tmp_path, capsys, monkeypatch, rank: str
):
    """Where another one did, nobody would see how far it is."""
    place = tmp_path / "fast"
    file = recipe(datasets=train_set(own_images, cache="disk", cache_dir=str(place)))
    monkeypatch.setenv(rank, "1")
    assert main(["cache", "-opt", str(file)]) == 0
    assert not capsys.readouterr().out and not place.exists()
    monkeypatch.setenv(rank, "0")  # of any machine: each may have a disk of its own
    monkeypatch.setenv("RANK", "4")
    assert main(["cache", "-opt", str(file)]) == 0
    assert "cache: 5 images, 0." in capsys.readouterr().out


def test_nothing_to_build(recipe: Recipe, own_images, capsys):
    file = recipe(datasets=train_set(own_images))
    assert main(["cache", "-opt", str(file)]) == 2
    message = capsys.readouterr().err
    assert "datasets.train.cache" in message and "Write cache: disk" in message
    assert main(["cache", "-opt", str(file), "--set", "datasets.train.cache=disk"]) == 0


def test_wrong_values(recipe: Recipe, own_images, capsys):
    assert main(["train", "-opt", str(recipe(datasets=train_set(own_images, cache="lmdb")))]) == 2
    assert "datasets.train.cache" in capsys.readouterr().err
    datasets = train_set(own_images, cache="ram", cache_dir="x")
    assert main(["train", "-opt", str(recipe(datasets=datasets))]) == 2
    assert "cache_dir" in capsys.readouterr().err
