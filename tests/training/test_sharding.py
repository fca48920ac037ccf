"""Training with a network that two processes share, on CPUs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import yaml
from torch import nn

from adasr.archs.srresnet import SRResNet
from adasr.cli import main
from adasr.errors import TrainingError
from adasr.regularizers.adaptive_dropout import AdaptiveDropout
from adasr.regularizers.sites import attach
from adasr.training.checkpoint import load_state
from adasr.training.processes import launched_sharding
from adasr.training.sharding import Sharding, find_units
from adasr.training.trainer import Trainer
from adasr.weights import load_state as load_weights

SHARDED = {"ACCELERATE_USE_FSDP": "true", "FSDP_VERSION": "2"}

# Several trainings in the same two processes: starting them takes longer than all trainings.
WORKER = """
import os, sys, json, torch
from adasr.cli import main
from adasr.training.sharding import gathered, local
from adasr.training.trainer import Trainer

folder, rank = sys.argv[1], os.environ["RANK"]
found = {}
resume, run = Trainer.resume, Trainer.run

def recording_resume(self, state):
    resume(self, state)
    found["resumed"] = {
        "network": gathered(self.net.state_dict(), True),
        "ema": self.ema.whole().state_dict(),
        "optimizer": gathered(self.optimizer.state_dict(), True),
    }

def recording_run(self):
    result = run(self)
    states = self.optimizer.state_dict()["state"].values()
    found[self.folder.name] = {
        "parameters": sum(local(p).numel() for p in self.net.parameters()),
        "ema": sum(local(t).numel() for t in self.ema._averaged),
        "optimizer": sum(local(s[k]).numel() for s in states for k in ("exp_avg", "exp_avg_sq")),
        "hollow": all(p.is_meta for p in self.ema.network.parameters()),
        "units": [type(m).__name__ for m in self.net.modules() if hasattr(m, "unshard")],
    }
    return result

Trainer.resume, Trainer.run = recording_resume, recording_run
codes = [main(["train", *arguments]) for arguments in json.loads(sys.argv[2])]
torch.save(found, f"{folder}/found{rank}")
sys.exit(max(codes))
"""


@pytest.fixture(scope="module")
def options(tmp_path_factory: pytest.TempPathFactory, images: Path) -> Path:
    """Options without random numbers: pairs from files, no regularizer."""
    folder = tmp_path_factory.mktemp("sharding")
    assert main(["degrade", "-i", str(images), "-o", f"{folder}/lq", "-r", "clean", "-s", "2"]) == 0
    training_set = {
        "type": "PairedFolder",
        "dataroot_gt": str(images),
        "dataroot_lq": f"{folder}/lq/clean",
        "gt_size": 32,
        "batch_size_per_gpu": 2,
        "num_worker_per_gpu": 0,
    }
    options = {
        "name": "two",
        "scale": 2,
        "manual_seed": 3,
        "network_g": {"type": "SRResNet", "num_feat": 8, "num_block": 3, "upscale": 2},
        "datasets": {"train": training_set},
        "path": {"experiments_root": str(folder)},
        "train": {
            "total_iter": 3,
            "precision": "fp32",
            "ema_decay": 0.5,
            "accumulate": 2,
            "grad_clip": 0.01,
            "optim_g": {"type": "Adam", "lr": 1e-3},
        },
        "logger": {"use_tb_logger": False, "save_checkpoint_freq": 2},
    }
    path = folder / "options.yml"
    path.write_text(yaml.safe_dump(options))
    return path


RANDOM = (
    "regularizer={type: AdaptiveDropout, gate: vector, schedule: {type: LayerwiseAnnealing}}",
    "train.checkpoint_activations=true",
    "train.align_opt={type: FeatureAlignment}",
    "degradation={type: RealESRGAN, frame: 32}",
)


def arguments(options: Path, *changes: str) -> list[str]:
    return ["-opt", str(options), *(part for change in changes for part in ("--set", change))]


@pytest.fixture(scope="module")
def found(options: Path) -> list[dict]:
    """What each of two processes that share the network tells of its trainings."""
    one = arguments(options, "name=one", "datasets.train.batch_size_per_gpu=4")
    assert main(["train", *one]) == 0
    folder = options.parent
    trainings = [
        arguments(options),
        arguments(options, "name=from_one", f"path.resume_state={folder}/one/training_states/3.state"),
    ]
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    script = folder / "worker.py"
    script.write_text(WORKER)
    done = subprocess.run(
        [*command, str(script), str(folder), json.dumps(trainings)],
        env={**os.environ, **SHARDED, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return [torch.load(folder / f"found{rank}", weights_only=True) for rank in (0, 1)]


def state_of(options: Path, name: str, iteration: int = 3) -> dict:
    return load_state(options.parent / name / "training_states" / f"{iteration}.state")


def flat(tensors: object) -> torch.Tensor:
    return torch.cat([tensor.flatten() for tensor in tensors]).double()


def moments(state: dict) -> torch.Tensor:
    return flat(held["exp_avg"] for held in state["optimizer"]["state"].values())


def test_it_trains_as_one_process_with_the_whole_batch(options: Path, found: list[dict]) -> None:
    two, one = state_of(options, "two"), state_of(options, "one")
    for key in ("network", "ema"):
        assert list(two[key]) == list(one[key])
        a, b = flat(two[key].values()), flat(one[key].values())
        print(key, (a - b).norm() / b.norm())
        assert (a - b).norm() <= 1e-6 * b.norm()
    a, b = moments(two), moments(one)
    print((a - b).norm() / b.norm())
    assert (a - b).norm() <= 1e-6 * b.norm()
