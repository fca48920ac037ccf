"""Requests to stop, wherever they meet a training."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from adasr.cli import main
from adasr.training import signals
from adasr.training.checkpoint import load_state
from adasr.training.signals import Interrupted, StopRequest

BOTH = pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["SIGINT", "SIGTERM"]
)


def send(number: int) -> None:
    os.kill(os.getpid(), number)
    time.sleep(0.01)


def test_the_first_signal_waits_and_its_echo_changes_nothing() -> None:
    told: list[str] = []
    with StopRequest(told.append) as request:
        send(signal.SIGTERM)
        send(signal.SIGTERM)  # torchrun passes on what the cluster has sent already
        send(signal.SIGINT)
        assert request.signal == signal.SIGTERM
        assert told == ["SIGTERM"]


def test_a_later_signal_ends_what_is_being_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signals, "ECHO", 0.0)
    with pytest.raises(KeyboardInterrupt), StopRequest(lambda name: None):
        send(signal.SIGTERM)
        send(signal.SIGINT)
    with pytest.raises(SystemExit) as stop, StopRequest(lambda name: None):
        send(signal.SIGINT)
        send(signal.SIGTERM)
    assert stop.value.code == 143


def test_waiting_is_given_up_at_once_and_work_is_not() -> None:
    with StopRequest(lambda name: None) as request:
        with request.interruptible():
            pass
        with pytest.raises(Interrupted), request.interruptible():
            send(signal.SIGTERM)
            pytest.fail("went on waiting")
        send(signal.SIGTERM)
        with pytest.raises(Interrupted), request.interruptible():
            pytest.fail("began to wait although it shall stop")
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


PATCHED = """
import sys, time
from pathlib import Path
import torch
from adasr.cli import main
from adasr.data.image_folder import ImageFolder
from adasr.training import build, checkpoint, run

def never(*args, **kwargs):
    print("NOW", flush=True)
    time.sleep(300)

def data():
    read, calls = ImageFolder.__getitem__, []
    def item(self, key):
        calls.append(key)
        if len(calls) > 12:
            never()
        return read(self, key)
    ImageFolder.__getitem__ = item

def validation():
    build.evaluate = never

def start():
    run.build_network = never

def save():
    write, calls = torch.save, []
    def slow(state, path):
        calls.append(path)
        write(state, path)
        if len(calls) == 2:
            Path(path).write_bytes(Path(path).read_bytes()[:1000])
            print("NOW", flush=True)
            time.sleep(PAUSE)
            write(state, path)
    checkpoint.torch.save = slow

PLACE()
sys.exit(main(sys.argv[1:]))
"""


class Run:
    """A training that prints NOW at a certain place and stays there."""

    def __init__(self, place: str, path: Path, pause: float) -> None:
        code = PATCHED.replace("PLACE", place).replace("PAUSE", str(pause))
        self.process = subprocess.Popen(
            [sys.executable, "-c", code, "train", "-opt", str(path)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
            start_new_session=True,
        )
        self.told = ""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.told += line
            if "NOW" in line:
                return
        pytest.fail(f"it never got there: {self.told}")

    def send(self, number: int) -> None:
        """To the whole group, as a terminal and a cluster do."""
        os.killpg(self.process.pid, number)

    def end(self, seconds: float) -> int:
        """The exit code of a run that must end by itself and leave no process."""
        assert self.process.stdout is not None
        code = self.process.wait(seconds)
        self.told += self.process.stdout.read()
        assert "Traceback" not in self.told, self.told
        with pytest.raises(ProcessLookupError):
            os.killpg(self.process.pid, 0)
        return code

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@pytest.fixture
def running(recipe: Callable[..., Path], images: Path) -> Iterator[Callable[..., Run]]:
    runs: list[Run] = []

    def make(place: str, pause: float = 300, workers: int = 1, **changes: object) -> Run:
        train = {
            "type": "ImageFolder",
            "dataroot_gt": str(images),
            "gt_size": 32,
            "batch_size_per_gpu": 2,
            "num_worker_per_gpu": workers,
        }
        val = None
        if changes.get("val", True) is not None:
            val = {"type": "DegradedFolder", "dataroot_gt": str(images), "recipe": "blur2"}
        logger = {"print_freq": 1, "save_checkpoint_freq": 2}
        datasets = {"train": train, "val": val}
        runs.append(Run(place, recipe(datasets=datasets, logger=logger, **changes), pause))
        return runs[-1]

    yield make
    for run in runs:
        run.kill()


def states(tmp_path: Path) -> list[int]:
    folder = tmp_path / "experiments" / "run" / "training_states"
    found = [load_state(p)["iteration"] for p in folder.iterdir() if not p.name.startswith(".")]
    assert not [p for p in folder.parent.rglob(".*") if p.is_file()]
    return sorted(found)


@pytest.mark.slow
@BOTH
def test_while_starting_up(running: Callable[..., Run], number: int, code: int) -> None:
    run = running("start")
    run.send(number)
    assert run.end(10) in (code, -number)


@pytest.mark.slow
@BOTH
def test_in_a_save(running: Callable[..., Run], tmp_path: Path, number: int, code: int) -> None:
    """The save is finished, then the run stops."""
    run = running("save", pause=1.0)
    run.send(number)
    assert run.end(20) == code, run.told
    assert states(tmp_path) == [2, 4]


@pytest.mark.slow
@BOTH
def test_a_second_signal_in_a_save_stops_at_once_and_keeps_the_last(
    running: Callable[..., Run], tmp_path: Path, number: int, code: int
) -> None:
    run = running("save")
    run.send(number)
    time.sleep(signals.ECHO + 0.5)
    run.send(number)
    assert run.end(10) == code, run.told
    assert states(tmp_path) == [2]
    assert main(["train", "-opt", str(tmp_path / "options.yml"), "--auto-resume"]) == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "code", "workers"), [(signal.SIGINT, 130, 1), (signal.SIGTERM, 143, 0)]
)
def test_in_a_wait_for_data(
    running: Callable[..., Run], tmp_path: Path, number: int, code: int, workers: int
) -> None:
    run = running("data", workers=workers, val=None)
    time.sleep(2.0)  # for the iterations whose data is there
    run.send(number)
    folder, limit = tmp_path / "experiments" / "run" / "training_states", time.monotonic() + 5
    while time.monotonic() < limit and not (folder / "6.state").exists():
        time.sleep(0.1)
    assert (folder / "6.state").exists()
    assert run.end(15) == code, run.told


@pytest.mark.slow
@BOTH
def test_in_a_validation(
    running: Callable[..., Run], tmp_path: Path, number: int, code: int
) -> None:
    """The run stops without the scores, and the resumed one validates first."""
    run = running("validation")
    run.send(number)
    assert run.end(15) == code, run.told
    assert 4 in states(tmp_path)
    assert main(["train", "-opt", str(tmp_path / "options.yml"), "--auto-resume"]) == 0
    log = (tmp_path / "experiments" / "run" / "train.log").read_text()
    assert "validation at iteration 4" in log


@pytest.mark.slow
def test_after_the_loss_of_the_main_process_its_workers_go_and_the_run_goes_on(
    running: Callable[..., Run], tmp_path: Path
) -> None:
    """As when the system takes the largest process to have memory again."""
    run = running("save", val=None)
    run.process.kill()
    run.process.wait()
    # At once: workers that still live must not hold the experiment's folder.
    path = str(tmp_path / "options.yml")
    assert main(["train", "-opt", path, "--auto-resume", "--set", "logger.print_freq=8"]) == 0
    limit = time.monotonic() + 15
    with pytest.raises(ProcessLookupError):
        while time.monotonic() < limit:
            os.killpg(run.process.pid, 0)
            time.sleep(0.1)
