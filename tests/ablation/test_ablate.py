"""``adasr ablate``: every run once, whatever happens meanwhile."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from adasr.cli import main
from adasr.training.checkpoint import load_state

Write = Callable[..., Path]
RUNS = ("plain_s0", "plain_s1", "dropout_s0", "dropout_s1")


def study(tmp_path: Path) -> Path:
    return tmp_path / "experiments" / "study"


def ablate(path: Path, *more: str) -> int:
    return main(["ablate", "-opt", str(path), *more])


def weights(tmp_path: Path, run: str, iteration: int = 4) -> dict[str, torch.Tensor]:
    return load_file(study(tmp_path) / run / "models" / f"net_g_{iteration}.safetensors")


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def test_every_run_is_trained_once_as_by_hand_and_then_is_done(
    ablation: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = ablation()
    assert ablate(path, "-j", "2") == 0
    assert "4 of 4 runs are done, 0 failed" in capsys.readouterr().out
    # The same training, started by hand with the file that the ablation wrote.
    file = study(tmp_path) / "plan" / "dropout_s1.yml"
    root = tmp_path / "by_hand"
    assert main(["train", "-opt", str(file), "--set", f"path.experiments_root={root}"]) == 0
    by_hand = load_file(root / "dropout_s1" / "models" / "net_g_4.safetensors")
    assert same(by_hand, weights(tmp_path, "dropout_s1"))
    for other in ("dropout_s0", "plain_s1"):
        assert not same(by_hand, weights(tmp_path, other))

    files = {p: p.stat().st_mtime_ns for p in study(tmp_path).rglob("*.safetensors")}
    capsys.readouterr()
    assert ablate(path) == 0
    assert "4 runs, 4 done, 0 to do" in capsys.readouterr().out
    assert files == {p: p.stat().st_mtime_ns for p in study(tmp_path).rglob("*.safetensors")}


def test_a_dry_run_tells_what_is_done_and_trains_nothing(
    ablation: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = ablation()
    assert ablate(path, "--dry-run") == 0
    assert not study(tmp_path).exists()
    assert ablate(path, "--only", "plain_s1") == 0
    capsys.readouterr()
    assert ablate(path, "--dry-run") == 0
    out = capsys.readouterr().out
    assert [line.split()[:2] for line in out.splitlines()[:4]] == [
        ["plain_s0", "to"],
        ["plain_s1", "done"],
        ["dropout_s0", "to"],
        ["dropout_s1", "to"],
    ]
    assert sorted(p.name for p in study(tmp_path).iterdir() if not p.name.startswith(".")) == [
        "plain_s1",
        "plan",
    ]


def test_a_run_that_fails_is_named_and_leaves_the_others_be(
    ablation: Write, base: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # A loss that grows beyond all numbers only shows in training.
    bad = {"train.optim_g.lr": 1e30, "train.total_iter": 200}
    path = ablation(variants={"bad": bad, "plain": None}, seeds=[0])
    assert ablate(path) == 1
    out = capsys.readouterr().out
    assert "bad_s0: failed: " in out
    assert "1 of 2 runs are done, 1 failed" in out
    assert (study(tmp_path) / "plain_s0" / "models" / "net_g_4.safetensors").is_file()


def test_a_finished_run_with_other_options_is_refused_and_trained_anew_when_asked(
    ablation: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ablate(ablation(), "--only", "plain") == 0
    before = weights(tmp_path, "plain_s0")
    changed = ablation(set={"train.optim_g.lr": 0.01})
    capsys.readouterr()
    assert ablate(changed, "--only", "plain") == 1
    told = capsys.readouterr()
    assert "train.optim_g.lr: 0.001 -> 0.01" in told.out
    assert "plain_s0, plain_s1: trained with other options" in told.err
    assert same(before, weights(tmp_path, "plain_s0"))

    assert ablate(changed, "--only", "plain", "--fresh") == 0
    assert not same(before, weights(tmp_path, "plain_s0"))
    kept = study(tmp_path) / "replaced" / "plain_s0_1" / "models" / "net_g_4.safetensors"
    assert same(before, load_file(kept))


def test_options_that_do_not_change_the_weights_may_change(ablation: Write, tmp_path: Path) -> None:
    assert ablate(ablation(), "--only", "plain_s0") == 0
    shutil.rmtree(study(tmp_path) / "plan")
    changed = ablation(set={"logger.print_freq": 2, "datasets.train.num_worker_per_gpu": 1})
    assert ablate(changed, "--only", "plain_s0") == 0


def test_a_mistake_is_told_before_anything_is_trained(
    ablation: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = ablation(variants={"plain": None, "off": {"regularizer": {"type": "AdaptivDropout"}}})
    assert ablate(path) == 2
    told = capsys.readouterr().err
    assert told.startswith("error: variant 'off': ")
    assert f"{path}:" in told
    assert "Did you mean 'AdaptiveDropout'?" in told
    # What only shows when the network is built.
    sites = {"regularizer": {"type": "ChannelDropout", "p": 0.5, "sites": "body.9.conv1"}}
    assert ablate(ablation(variants={"plain": None, "off": sites})) == 2
    assert "variant 'off': " in (told := capsys.readouterr().err)
    assert "regularizer.sites: 'body.9.conv1' matches no module" in told
    assert ablate(ablation(), "--only", "plan") == 2
    assert "Did you mean 'plain'?" in capsys.readouterr().err
    assert not study(tmp_path).exists()


class Process:
    """``adasr ablate`` in a process group of its own, as a shell starts it."""

    def __init__(self, path: Path, *more: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "adasr", "ablate", "-opt", str(path), *more],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
            start_new_session=True,
        )

    def end(self, seconds: float = 240) -> tuple[int, str]:
        assert self.process.stdout is not None
        told = self.process.stdout.read()
        return self.process.wait(seconds), told


@pytest.fixture
def started() -> Iterator[Callable[..., Process]]:
    processes: list[Process] = []

    def start(path: Path, *more: str) -> Process:
        processes.append(Process(path, *more))
        return processes[-1]

    yield start
    for one in processes:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(one.process.pid, signal.SIGKILL)
        one.process.wait()


def wait_for_state(folder: Path, seconds: float = 240) -> None:
    limit = time.monotonic() + seconds
    while not list(folder.glob("training_states/*.state")):
        assert time.monotonic() < limit, "it never saved"
        time.sleep(0.05)


LONG = {"train.total_iter": 60}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)],
    ids=["SIGINT", "SIGTERM", "SIGKILL"],
)
def test_what_is_stopped_goes_on_to_the_same_bits(
    ablation: Write, tmp_path: Path, started: Callable[..., Process], number: int, code: int
) -> None:
    path = ablation(set=LONG, variants={"plain": None}, seeds=[0])
    one = started(path)
    folder = study(tmp_path) / "plain_s0"
    wait_for_state(folder)
    one.process.send_signal(number)
    ended, told = one.end()
    assert ended == code, told
    assert "Traceback" not in told
    if number != signal.SIGKILL:
        assert "The same command goes on" in told
    # The training follows, and has saved where it was.
    limit = time.monotonic() + 120
    while "--auto-resume" not in (folder / "train.log").read_text():
        assert time.monotonic() < limit
        time.sleep(0.1)
    assert ablate(path) == 0
    assert "resumed after iteration" in (folder / "train.log").read_text()
    stopped = weights(tmp_path, "plain_s0", 60)
    shutil.rmtree(folder)
    assert ablate(path) == 0
    assert same(stopped, weights(tmp_path, "plain_s0", 60))
    assert load_state(folder / "training_states" / "60.state")["iteration"] == 60


@pytest.mark.slow
def test_two_at_once_share_the_runs(
    ablation: Write, tmp_path: Path, started: Callable[..., Process]
) -> None:
    path = ablation(set={"train.total_iter": 20})
    both = [started(path), started(path)]
    told = [one.end(300) for one in both]
    assert [code for code, _ in told] == [0, 0], told
    begun = [line for _, text in told for line in text.splitlines() if "training ..." in line]
    assert sorted(begun) == sorted(f"{run}: training ..." for run in RUNS)
