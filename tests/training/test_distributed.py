"""Several processes, as torchrun starts them, on CPUs."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from filelock import FileLock

from adasr.cli import main
from adasr.training.checkpoint import load_state
from adasr.training.log import read_metrics

TORCHRUN = ("-m", "torch.distributed.run")
HERE = ("--standalone", "--nproc_per_node=2")
ADASR = ("-m", "adasr")

Launch = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def launch() -> Iterator[Launch]:
    """Starts ``adasr train``, two processes by default, and leaves none."""
    started: list[subprocess.Popen[str]] = []

    def start(path: Path, *more: str, by: tuple[str, ...] = (*TORCHRUN, *HERE), do=ADASR) -> object:
        process = subprocess.Popen(
            [sys.executable, *by, *do, "train", "-opt", str(path), *more],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"},
            start_new_session=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            for child in children(process):
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(child, signal.SIGKILL)
            process.kill()
            process.wait()


def children(process: subprocess.Popen[str]) -> list[int]:
    found = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True)
    return [int(pid) for pid in found.stdout.split()]


def ended(process: subprocess.Popen[str], code: int = 0) -> str:
    """What a process that ends by itself has told."""
    told = process.communicate(timeout=300)[0]
    assert process.returncode == code, told
    return told


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"regularizer": {"gate": "vector", "schedule": None}}, id="gate"),
        pytest.param({"train": {"align_opt": {"type": "FeatureAlignment"}}}, id="alignment"),
    ],
)
def test_two_processes_train_and_resume_to_the_same_bits(
    recipe: Callable[..., Path], tmp_path: Path, launch: Launch, changes: dict
) -> None:
    path = recipe(**changes)
    assert "2 x cpu" in ended(launch(path))
    states = tmp_path / "experiments" / "run" / "training_states"
    whole = load_state(states / "8.state")
    assert len(whole["random"]) == 2
    assert not torch.equal(whole["random"][0]["torch"], whole["random"][1]["torch"])
    (states / "8.state").unlink()
    ended(launch(path, "--auto-resume"))
    resumed = load_state(states / "8.state")
    for key, value in whole["network"].items():
        assert torch.equal(resumed["network"][key], value)


@pytest.fixture
def paired(recipe: Callable[..., Path], images: Path, tmp_path: Path) -> Callable[[int], Path]:
    """Writes options of one iteration without random numbers; the batch size of each process."""
    lq = tmp_path / "lq"
    assert main(["degrade", "-i", str(images), "-o", str(lq), "-r", "clean", "-s", "2"]) == 0

    def write(batch: int) -> Path:
        train = {
            "type": "PairedFolder",
            "dataroot_gt": str(images),
            "dataroot_lq": str(lq / "clean"),
            "gt_size": 32,
            "batch_size_per_gpu": batch,
            "num_worker_per_gpu": 1,
        }
        return recipe(
            name=f"batch{batch}",
            regularizer=None,
            degradation=None,
            datasets={"train": train, "val": None},
            val=None,
            train={"total_iter": 1},
            logger={"print_freq": 1},
        )

    return write


@pytest.mark.slow
def test_two_processes_with_half_the_batch_give_the_gradient_of_one(
    paired: Callable[[int], Path], tmp_path: Path, launch: Launch
) -> None:
    ended(launch(paired(2)))
    ended(launch(paired(4), by=()))
    folder = tmp_path / "experiments"
    gradients = []
    for name in ("batch2", "batch4"):
        state = load_state(folder / name / "training_states" / "1.state")
        # After one step Adam's first moment is 1 - beta1 = 0.1 times the gradient.
        moments = [held["exp_avg"].flatten() for held in state["optimizer"]["state"].values()]
        gradients.append(torch.cat(moments).double() * 10)
    two, one = gradients
    assert one.norm() > 1e-3
    assert (two - one).norm() / one.norm() <= 1e-6


@pytest.mark.slow
def test_the_logged_loss_is_the_mean_over_the_processes(
    paired: Callable[[int], Path], tmp_path: Path, launch: Launch
) -> None:
    ended(launch(paired(2)))
    ended(launch(paired(4), by=()))
    (two,) = read_metrics(tmp_path / "experiments" / "batch2")
    (one,) = read_metrics(tmp_path / "experiments" / "batch4")
    assert two["l_pix"] == pytest.approx(one["l_pix"], rel=1e-6)


RECORDING = """
import os, sys, torch
from adasr.cli import main
from adasr.archs.srresnet import SRResNet
from adasr.regularizers.adaptive_dropout import AdaptiveDropout

found = {"lq": [], "masks": []}

def recording(kind, key, value):
    forward = kind.forward
    def record(self, x):
        y = forward(self, x)
        if self.training:
            found[key].append(value(x, y).detach().clone())
        return y
    kind.forward = record

recording(SRResNet, "lq", lambda x, y: x)
recording(AdaptiveDropout, "masks", lambda x, y: (y / x).nanmean((2, 3)))
code = main(sys.argv[1:])
torch.save(found, os.environ["RECORD"] + os.environ["RANK"])
sys.exit(code)
"""


@pytest.mark.slow
def test_masks_and_degradations_differ_by_process_and_come_again(
    recipe: Callable[..., Path],
    tmp_path: Path,
    launch: Launch,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = recipe(datasets={"val": None}, val=None, train={"total_iter": 2})
    script = tmp_path / "recording.py"
    script.write_text(RECORDING)
    seen = []
    for run in "ab":
        monkeypatch.setenv("RECORD", str(tmp_path / run))
        ended(launch(path, "--set", f"name={run}", do=(str(script),)))
        seen.append([torch.load(tmp_path / f"{run}{rank}") for rank in (0, 1)])
    for key in ("lq", "masks"):
        (a0, a1), (b0, b1) = [[rank[key] for rank in ranks] for ranks in seen]
        assert len(a0) == len(a1) == len(b0) >= 2
        assert all(torch.equal(x, y) for x, y in zip(a0 + a1, b0 + b1, strict=True))
        assert not any(torch.equal(x, y) for x, y in zip(a0, a1, strict=True))


@pytest.mark.slow
def test_a_run_goes_on_with_another_number_of_processes(
    recipe: Callable[..., Path], tmp_path: Path, launch: Launch
) -> None:
    path = recipe()
    ended(launch(path, "--set", "train.total_iter=4"))
    assert main(["train", "-opt", str(path), "--auto-resume"]) == 0
    ended(launch(path, "--auto-resume", "--set", "train.total_iter=12"))
    folder = tmp_path / "experiments" / "run"
    assert len(load_state(folder / "training_states" / "12.state")["random"]) == 2
    log = (folder / "train.log").read_text()
    assert "resumed after iteration 4" in log
    assert "resumed after iteration 8" in log
    # Only one process writes.
    for iteration in range(2, 13, 2):
        assert len(re.findall(rf"iteration {iteration}:", log)) == 1 + (iteration % 4 == 0)
    told = [r["iteration"] for r in read_metrics(folder) if r["kind"] == "train"]
    assert told == [2, 4, 6, 8, 10, 12]
    assert len([p for p in (tmp_path / "experiments").iterdir() if p.is_dir()]) == 1


@pytest.mark.slow
def test_another_number_of_processes_goes_on_in_the_epoch_where_it_was(
    recipe: Callable[..., Path], tmp_path: Path, launch: Launch
) -> None:
    path = recipe(datasets={"val": None}, val=None)
    ended(launch(path, "--set", "train.total_iter=4"))
    states = tmp_path / "experiments" / "run" / "training_states"
    assert load_state(states / "4.state")["drawn"] == 4 * 2 * 2
    assert main(["train", "-opt", str(path), "--auto-resume"]) == 0
    assert load_state(states / "8.state")["drawn"] == 4 * 2 * 2 + 4 * 2


@pytest.fixture
def endless(recipe: Callable[..., Path]) -> Path:
    logger = {"print_freq": 1, "save_checkpoint_freq": 100_000}
    without = {"datasets": {"val": None}, "val": None}
    return recipe(train={"total_iter": 100_000}, logger=logger, **without)


def at_iteration_five(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("iteration 5:"):
            return
    pytest.fail("it never got there")


@pytest.mark.slow
def test_a_signal_to_one_process_stops_both_after_one_save(
    endless: Path, tmp_path: Path, launch: Launch
) -> None:
    process = launch(endless)
    at_iteration_five(process)
    os.kill(children(process)[0], signal.SIGTERM)
    told = process.communicate(timeout=300)[0]
    assert "stopped and saved" in told
    states = list((tmp_path / "experiments" / "run" / "training_states").iterdir())
    assert len(states) == 1
    assert load_state(states[0])["iteration"] == int(states[0].stem)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_torchrun_and_to_all_saves_once(
    endless: Path, tmp_path: Path, launch: Launch, number: int
) -> None:
    """A cluster signals every process, and torchrun passes it on to its own once more."""
    process = launch(endless)
    at_iteration_five(process)
    for pid in (*children(process), process.pid):
        os.kill(pid, number)
    told = process.communicate(timeout=300)[0]
    assert "stopped and saved" in told
    assert "[rank0]: Traceback" not in told
    assert len(list((tmp_path / "experiments" / "run" / "training_states").iterdir())) == 1


@pytest.mark.slow
@pytest.mark.parametrize("which", [0, 1])
def test_the_loss_of_a_process_ends_the_other_with_a_message(
    endless: Path, launch: Launch, which: int
) -> None:
    process = launch(endless)
    at_iteration_five(process)
    os.kill(children(process)[which], signal.SIGKILL)
    told = ended(process, code=1)
    assert "another process of this training has ended" in told
    assert "--auto-resume" in told
    assert not re.search(r"\[rank\d\]: Traceback", told)


@pytest.mark.slow
def test_two_machines(recipe: Callable[..., Path], tmp_path: Path, launch: Launch) -> None:
    """Two torchruns of one process each meet at an address, as on two hosts."""
    path = recipe()
    with socket.socket() as free:
        free.bind(("localhost", 0))
        place = f"localhost:{free.getsockname()[1]}"
    meeting = ("--rdzv_backend=c10d", "--rdzv_id=7", f"--rdzv_endpoint={place}")
    by = (*TORCHRUN, "--nnodes=2", "--nproc_per_node=1", *meeting)
    both = [launch(path, by=by) for _ in range(2)]
    told = [ended(process) for process in both]
    assert sorted("2 x cpu" in text for text in told) == [False, True]
    assert len(load_state(tmp_path / "experiments/run/training_states/8.state")["random"]) == 2


@pytest.mark.slow
def test_accelerate_launches_it(recipe: Callable[..., Path], launch: Launch) -> None:
    program = "accelerate.commands.launch"
    how = ("--multi_gpu", "--num_processes=2", "--num_machines=1", "--mixed_precision=no")
    told = ended(launch(recipe(), by=("-m", program, *how, "--dynamo_backend=no")))
    assert "2 x cpu" in told
    assert "done: 8 iterations" in told


@pytest.mark.slow
def test_a_folder_in_use_ends_all_processes_with_one_message(
    recipe: Callable[..., Path], tmp_path: Path, launch: Launch
) -> None:
    (tmp_path / "experiments").mkdir()
    with FileLock(tmp_path / "experiments" / ".run.lock"):
        told = ended(launch(recipe()), code=1)
    assert "another training works there now" in told
    assert not re.search(r"\[rank\d\]: Traceback", told)


@pytest.mark.parametrize("name", ["FSDP", "DEEPSPEED", "MEGATRON_LM"])
def test_what_splits_the_network_is_refused(
    recipe: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
) -> None:
    monkeypatch.setenv(f"ACCELERATE_USE_{name}", "true")
    assert main(["train", "-opt", str(recipe())]) == 1
    assert f"launched with {name}" in capsys.readouterr().err
