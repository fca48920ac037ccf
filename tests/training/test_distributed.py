"""Several processes, as torchrun starts them, on CPUs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from adasr.training.checkpoint import load_state

pytestmark = pytest.mark.slow


def launch(path: Path, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node=2", "--standalone"]
    return subprocess.Popen(
        [*command, "-m", "adasr", "train", "-opt", str(path), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"},
        start_new_session=True,
    )


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"regularizer": {"gate": "vector", "schedule": None}}, id="gate"),
        pytest.param({"train": {"align_opt": {"type": "FeatureAlignment"}}}, id="alignment"),
    ],
)
def test_two_processes_train_and_resume_to_the_same_bits(
    recipe: Callable[..., Path], tmp_path: Path, changes: dict
) -> None:
    path = recipe(**changes)
    process = launch(path)
    told = process.communicate(timeout=300)[0]
    assert process.returncode == 0, told
    assert "2 x cpu" in told
    states = tmp_path / "experiments" / "run" / "training_states"
    whole = load_state(states / "8.state")
    assert len(whole["random"]) == 2
    assert not torch.equal(whole["random"][0]["torch"], whole["random"][1]["torch"])
    (states / "8.state").unlink()
    process = launch(path, "--auto-resume")
    told = process.communicate(timeout=300)[0]
    assert process.returncode == 0, told
    resumed = load_state(states / "8.state")
    for key, value in whole["network"].items():
        assert torch.equal(resumed["network"][key], value)


def test_a_signal_to_one_process_stops_both_after_one_save(
    recipe: Callable[..., Path], tmp_path: Path
) -> None:
    logger = {"print_freq": 1, "save_checkpoint_freq": 100_000}
    without = {"datasets": {"val": None}, "val": None}
    path = recipe(train={"total_iter": 100_000}, logger=logger, **without)
    process = launch(path)
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("iteration 5:"):
            found = subprocess.run(
                ["pgrep", "-P", str(process.pid)], capture_output=True, text=True, check=True
            )
            os.kill(int(found.stdout.split()[0]), signal.SIGTERM)
            break
    told = process.communicate(timeout=300)[0]
    assert "stopped and saved" in told
    states = list((tmp_path / "experiments" / "run" / "training_states").iterdir())
    assert len(states) == 1
    assert load_state(states[0])["iteration"] == int(states[0].stem)
