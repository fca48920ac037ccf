"""What a person sees when data or the processes that load them are lost in mid-run."""

from __future__ import annotations

import multiprocessing
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from torch.utils.data.dataloader import _MultiProcessingDataLoaderIter

from adasr.cli import main
from adasr.training.checkpoint import newest_state
from adasr.training.trainer import Trainer

Recipe = Callable[..., Path]


@pytest.fixture
def own_images(images: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(images, tmp_path / "images"))


def train_set(folder: Path) -> dict:
    held = {"type": "ImageFolder", "gt_size": 32, "batch_size_per_gpu": 2, "num_worker_per_gpu": 1}
    return {"train": {**held, "dataroot_gt": str(folder)}}


def test_a_killed_worker_is_told_in_a_sentence(
    recipe: Recipe, own_images, tmp_path, capsys, monkeypatch
):
    """As the system does when memory runs out."""
    save = Trainer.save

    def save_and_kill(self: Trainer) -> None:
        save(self)
        for child in multiprocessing.active_children():
            child.kill()

    monkeypatch.setattr(Trainer, "save", save_and_kill)
    train = {"total_iter": 40, "precision": "fp32"}
    file = recipe(datasets=train_set(own_images), train=train)
    assert main(["train", "-opt", str(file)]) == 1
    message = capsys.readouterr().err
    assert "process that loads images has ended (DataLoader worker" in message
    assert "--auto-resume" in message and "Traceback" not in message
    assert newest_state(tmp_path / "experiments" / "run" / "training_states", print)[1] is not None


@pytest.mark.parametrize("error", [EOFError, ConnectionResetError])
def test_a_worker_killed_in_the_middle_of_a_batch_is_told_likewise(
    recipe: Recipe, own_images, capsys, monkeypatch, error
):
    """The main process, which is reading from it, meets the end of the pipe."""
    ready = _MultiProcessingDataLoaderIter.__next__

    def cut(self: Any) -> Any:
        if self._rcvd_idx == 3:
            raise error
        return ready(self)

    monkeypatch.setattr(_MultiProcessingDataLoaderIter, "__next__", cut)
    train = {"total_iter": 40, "precision": "fp32"}
    file = recipe(datasets=train_set(own_images), train=train)
    assert main(["train", "-opt", str(file)]) == 1
    message = capsys.readouterr().err
    assert "process that loads images has ended (DataLoader worker" in message
    assert "Traceback" not in message


def test_a_folder_lost_in_mid_run_leaves_the_checkpoint(
    recipe: Recipe, own_images, tmp_path, capsys, monkeypatch
):
    save = Trainer.save

    def save_and_lose(self: Trainer) -> None:
        save(self)
        shutil.rmtree(own_images, ignore_errors=True)

    monkeypatch.setattr(Trainer, "save", save_and_lose)
    train = {"total_iter": 40, "precision": "fp32"}
    file = recipe(datasets=train_set(own_images), train=train)
    assert main(["train", "-opt", str(file)]) != 0
    message = capsys.readouterr().err
    assert f"{own_images}: has disappeared" in message and "Traceback" not in message
    _, state = newest_state(tmp_path / "experiments" / "run" / "training_states", print)
    assert state is not None and state["iteration"] >= 4
