"""Training with a network that two processes share, on CPUs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable
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
from adasr.training.sharding import Sharding, find_units, shard
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
resume, run, terms = Trainer.resume, Trainer.run, Trainer._terms

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

def broken_terms(self, sr, gt):
    found = terms(self, sr, gt)
    if self.folder.name == "nan" and rank == "1" and self.result.iteration == 1:
        found["l_pix"] = found["l_pix"] * float("nan")
    return found

Trainer.resume, Trainer.run, Trainer._terms = recording_resume, recording_run, broken_terms
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


GAN = (
    "network_d={type: UNetDiscriminatorSN, num_feat: 4}",
    "train.gan_opt={type: GANLoss, loss_weight: 0.1}",
)
BATCH_OF_ALL = "datasets.train.batch_size_per_gpu=4"


def arguments(options: Path, *changes: str) -> list[str]:
    return ["-opt", str(options), *(word for change in changes for word in ("--set", change))]


@pytest.fixture(scope="module")
def found(options: Path, images: Path) -> list[dict]:
    """What each of two processes that share the network tells of its trainings."""
    assert main(["train", *arguments(options, "name=one", BATCH_OF_ALL)]) == 0
    assert main(["train", *arguments(options, "name=one_gan", BATCH_OF_ALL, *GAN)]) == 0
    folder = options.parent
    random = (
        f"datasets.train={{type: ImageFolder, dataroot_gt: {images}, gt_size: 32, "
        "batch_size_per_gpu: 2, num_worker_per_gpu: 0}",
        "degradation={type: RealESRGAN, frame: 32}",
        "regularizer={type: AdaptiveDropout, gate: vector}",
        "train.checkpoint_activations=true",
        "train.align_opt={type: FeatureAlignment}",
        "train.precision=bf16",
    )
    state = f"path.resume_state={folder}/random/training_states/2.state"
    trainings = [
        arguments(options),
        arguments(options, "name=two_gan", *GAN),
        arguments(options, "name=nan"),
        arguments(options, "name=random", *random),
        arguments(options, "name=random_again", state, *random),
        arguments(options, "name=more", f"path.resume_state={folder}/one/training_states/3.state"),
    ]
    script = folder / "worker.py"
    script.write_text(WORKER)
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    done = subprocess.run(
        [*launch, str(script), str(folder), json.dumps(trainings)],
        env={**os.environ, **SHARDED, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout
    return [torch.load(folder / f"found{rank}", weights_only=True) for rank in (0, 1)]


def state_of(options: Path, name: str, iteration: int = 3) -> dict:
    return load_state(options.parent / name / "training_states" / f"{iteration}.state")


def flat(tensors: Iterable[torch.Tensor]) -> torch.Tensor:
    return torch.cat([tensor.flatten() for tensor in tensors]).double()


def moments(state: dict) -> torch.Tensor:
    return flat(held["exp_avg"] for held in state["optimizer"]["state"].values())


def assert_close(two: dict, one: dict, most: float = 1e-6) -> None:
    for key in ("network", "ema"):
        assert list(two[key]) == list(one[key])
        a, b = flat(two[key].values()), flat(one[key].values())
        assert (a - b).norm() <= most * b.norm()
    a, b = moments(two), moments(one)
    assert b.norm() > 1e-4
    assert (a - b).norm() <= most * b.norm()


def assert_equal(held: dict, state: dict) -> None:
    """The same bits in everything that was sharded."""
    for key in ("network", "ema"):
        assert held[key].keys() == state[key].keys()
        assert all(torch.equal(held[key][name], value) for name, value in state[key].items())
    for index, values in state["optimizer"]["state"].items():
        for name, value in values.items():
            assert torch.equal(held["optimizer"]["state"][index][name], value)


def test_it_trains_as_one_process_with_the_whole_batch(options: Path, found: list[dict]) -> None:
    """With accumulated parts, gradients that are clipped, and the moving average."""
    assert_close(state_of(options, "two"), state_of(options, "one"))


def test_the_adversarial_stage_does_too(options: Path, found: list[dict]) -> None:
    two, one = state_of(options, "two_gan"), state_of(options, "one_gan")
    # Two networks in turn blow rounding up, by the number of threads alone.
    assert_close(two, one, most=1e-4)
    a, b = (flat(s["adversary"]["network"].values()) for s in (two, one))
    assert (a - b).norm() <= 1e-3 * b.norm()


def test_each_process_holds_its_half(options: Path, found: list[dict]) -> None:
    whole = flat(state_of(options, "two")["network"].values()).numel()
    for kind, most in (("parameters", whole), ("ema", whole), ("optimizer", 2 * whole)):
        held = [part["two"][kind] for part in found]
        assert sum(held) == most
        assert max(held) < 0.55 * most
    for part in found:
        assert part["two"]["hollow"]
        assert part["two"]["units"] == ["FSDPSRResNet"] + 3 * ["FSDPResidualBlock"]


def test_a_state_of_one_process_goes_on_in_two(options: Path, found: list[dict]) -> None:
    for part in found:
        assert_equal(part["resumed"], state_of(options, "one"))


def test_a_state_of_two_processes_goes_on_in_one(
    options: Path, found: list[dict], monkeypatch: pytest.MonkeyPatch
) -> None:
    trainers: list[Trainer] = []
    monkeypatch.setattr(Trainer, "run", lambda self: trainers.append(self) or self.result)
    state = options.parent / "two" / "training_states" / "3.state"
    changes = ("name=from_two", f"path.resume_state={state}")
    assert main(["train", *arguments(options, *changes)]) == 0
    (trainer,) = trainers
    held = {
        "network": trainer.net.state_dict(),
        "ema": trainer.ema.network.state_dict(),
        "optimizer": trainer.optimizer.state_dict(),
    }
    assert_equal(held, load_state(state))
    assert not trainer.sharded


def test_saved_weights_are_whole(options: Path, found: list[dict]) -> None:
    weights = load_weights(options.parent / "two" / "models" / "net_g_3.safetensors")
    average = state_of(options, "two")["ema"]
    assert weights.keys() == average.keys()
    assert all(torch.equal(weights[name], value) for name, value in average.items())


def test_dropout_gates_and_recomputed_blocks_go_on_to_the_same_bits(
    options: Path, found: list[dict]
) -> None:
    whole, resumed = state_of(options, "random"), state_of(options, "random_again")
    gates = [name for name in whole["network"] if "gate" in name]
    assert gates
    assert_equal(resumed, whole)
    before = state_of(options, "random", 2)["network"]
    assert any(not torch.equal(before[name], whole["network"][name]) for name in gates)


def test_a_loss_that_is_nan_in_one_process_leaves_the_step_out_in_both(
    options: Path, found: list[dict]
) -> None:
    log = (options.parent / "nan" / "train.log").read_text()
    assert log.count("the step is left out") == 1
    state = state_of(options, "nan")
    assert all(torch.isfinite(value).all() for value in state["network"].values())
    assert {float(held["step"]) for held in state["optimizer"]["state"].values()} == {2.0}


def regularized() -> nn.Module:
    net = SRResNet(num_feat=16, num_block=3, upscale=2)
    attach(net, AdaptiveDropout(gate="vector"))
    return net


@pytest.mark.parametrize(
    ("sharding", "names"),
    [
        (Sharding(), ["body.0", "body.1", "body.2"]),
        (Sharding("none"), []),
        (Sharding("classes", classes=("ResidualBlock",)), ["body.0", "body.1", "body.2"]),
        (Sharding("size", min_params=4000), ["body.0", "body.1", "body.2", "upconv1"]),
    ],
)
def test_units(sharding: Sharding, names: list[str]) -> None:
    net = regularized()
    found = {id(module): name for name, module in net.named_modules()}
    assert sorted(found[id(unit)] for unit in find_units(net, sharding)) == names


def test_units_of_an_unknown_class_are_refused_by_name() -> None:
    with pytest.raises(TrainingError, match="Did you mean 'ResidualBlock'"):
        find_units(regularized(), Sharding("classes", classes=("ResidualBlocks",)))


def test_a_network_with_a_parameter_of_one_number_is_refused() -> None:
    net = nn.Sequential(nn.Conv2d(3, 3, 1))
    net.register_parameter("gain", nn.Parameter(torch.tensor(1.0)))
    optimizer = torch.optim.Adam(net.parameters())
    with pytest.raises(TrainingError, match="gain is a single number"):
        shard(net, optimizer, Sharding(), torch.device("cpu"), 2)


@pytest.mark.parametrize(
    ("asked", "sharding"),
    [
        ({}, Sharding()),
        ({"FSDP_RESHARD_AFTER_FORWARD": "false"}, Sharding(reshard=False)),
        ({"FSDP_AUTO_WRAP_POLICY": "NO_WRAP"}, Sharding("none")),
        ({"FSDP_AUTO_WRAP_POLICY": "TRANSFORMER_BASED_WRAP"}, Sharding()),
        (
            {
                "FSDP_AUTO_WRAP_POLICY": "TRANSFORMER_BASED_WRAP",
                "FSDP_TRANSFORMER_CLS_TO_WRAP": "RRDB, Upsampler",
            },
            Sharding("classes", classes=("RRDB", "Upsampler")),
        ),
        (
            {"FSDP_AUTO_WRAP_POLICY": "SIZE_BASED_WRAP", "FSDP_MIN_NUM_PARAMS": "1000"},
            Sharding("size", min_params=1000),
        ),
    ],
)
def test_the_launch_says_how(
    monkeypatch: pytest.MonkeyPatch, asked: dict[str, str], sharding: Sharding
) -> None:
    assert launched_sharding() is None
    for name, value in {**SHARDED, **asked}.items():
        monkeypatch.setenv(name, value)
    assert launched_sharding() == sharding


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("FSDP_VERSION", "1", "--fsdp_version 2"),
        ("FSDP_OFFLOAD_PARAMS", "true", "fsdp_offload_params"),
        ("FSDP_ACTIVATION_CHECKPOINTING", "true", "train.checkpoint_activations"),
        ("FSDP_IGNORED_MODULES", "body", "fsdp_ignored_modules"),
        ("FSDP_AUTO_WRAP_POLICY", "OTHER", "SIZE_BASED_WRAP"),
        ("FSDP_RESHARD_AFTER_FORWARD", "FULL_SHARD", "true and false"),
        ("ACCELERATE_USE_PARALLELISM_CONFIG", "true", "parallelism"),
        ("ACCELERATE_USE_DEEPSPEED", "true", "DEEPSPEED"),
    ],
)
def test_what_cannot_be_done_is_refused_before_anything_starts(
    recipe: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
    value: str,
    told: str,
) -> None:
    for key, held in {**SHARDED, name: value}.items():
        monkeypatch.setenv(key, held)
    assert main(["train", "-opt", str(recipe())]) == 1
    assert told in capsys.readouterr().err
    assert not (tmp_path / "experiments").exists()


@pytest.mark.slow
def test_accelerate_launches_it_from_its_configuration(
    recipe: Callable[..., Path], tmp_path: Path
) -> None:
    configuration = {
        "compute_environment": "LOCAL_MACHINE",
        "distributed_type": "FSDP",
        "fsdp_config": {"fsdp_version": 2, "fsdp_auto_wrap_policy": "TRANSFORMER_BASED_WRAP"},
        "mixed_precision": "no",
        "num_machines": 1,
        "num_processes": 2,
    }
    file = tmp_path / "fsdp.yml"
    file.write_text(yaml.safe_dump(configuration))
    launch = ["-m", "accelerate.commands.launch", "--config_file", str(file), "-m", "adasr"]
    done = subprocess.run(
        [sys.executable, *launch, "train", "-opt", str(recipe())],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout
    assert "2 x cpu sharded" in done.stdout
    assert "validation at iteration 8" in done.stdout
    models = tmp_path / "experiments" / "run" / "models"
    assert {"net_g_8.safetensors", "net_g_best.safetensors"} <= {p.name for p in models.iterdir()}
