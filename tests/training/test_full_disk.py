"""A disk that fills up while a training runs."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from adasr.cli import main
from adasr.training.checkpoint import load_state
from adasr.training.log import TrainingLog, read_metrics

resource = pytest.importorskip("resource", reason="needs limits on files, as POSIX has them")


@contextlib.contextmanager
def files_end_at(size: int) -> Iterator[None]:
    """Writing a file fails beyond ``size`` bytes, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("size", [1_000, 40_000], ids=["weights", "state"])
def test_the_last_checkpoint_stays_and_is_gone_on_from(
    recipe: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], size: int
) -> None:
    """The weights take 30 kB here and the training state 100 kB."""
    path = str(recipe(datasets={"val": None}, val=None))
    assert main(["train", "-opt", path]) == 0
    folder = tmp_path / "experiments" / "run"
    whole = load_state(folder / "training_states" / "8.state")
    (folder / "training_states" / "8.state").unlink()
    (folder / "models" / "net_g_8.safetensors").unlink()
    kept = (folder / "training_states" / "4.state").read_bytes()
    (folder / "metrics.jsonl").unlink()
    (folder / "train.log").unlink()
    capsys.readouterr()
    with files_end_at(size):
        assert main(["train", "-opt", path, "--auto-resume"]) == 1
    told = capsys.readouterr()
    assert "Traceback" not in told.out + told.err
    assert f"The checkpoint of iteration 4 in {folder} is kept" in told.err
    assert (folder / "training_states" / "4.state").read_bytes() == kept
    assert not [p for p in folder.rglob(".*") if p.is_file()]
    assert main(["train", "-opt", path, "--auto-resume"]) == 0
    again = load_state(folder / "training_states" / "8.state")
    for part in ("network", "ema"):
        for key, value in whole[part].items():
            assert torch.equal(again[part][key], value)


def test_a_log_that_cannot_be_written_is_told_once_and_goes_on_later(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with TrainingLog(tmp_path, 100, tensorboard=True) as log:
        log.metrics(1, "train", {"l_pix": 0.5})
        with files_end_at((tmp_path / "metrics.jsonl").stat().st_size + 10):
            for iteration in range(2, 40):
                log.metrics(iteration, "train", {"l_pix": 0.5})
                log.info("a line that is longer than what is left of the file, by far, and again")
        log.metrics(40, "train", {"l_pix": 0.5})
        log.info("the end")
    told = capsys.readouterr()
    assert "Traceback" not in told.out + told.err
    for name in ("metrics.jsonl", "train.log", "tb"):
        assert told.out.count(f"{tmp_path / name}: cannot be written") == 1
    assert told.out.count(f"{tmp_path / 'metrics.jsonl'}: is written again") == 1
    assert [record["iteration"] for record in read_metrics(tmp_path)] == [1, 40]
    assert (tmp_path / "train.log").read_text().endswith("the end\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_console_that_cannot_be_written_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch system's output file may stand on the full disk too."""
    with Path("/dev/full").open("w", buffering=1) as full:
        monkeypatch.setattr(sys, "stdout", full)
        with TrainingLog(tmp_path, 100, tensorboard=False) as log:
            log.info("one")
            log.progress(1, "two")
        with contextlib.suppress(OSError):
            full.close()
    assert "one" in (tmp_path / "train.log").read_text()


@pytest.mark.slow
def test_a_disk_that_is_really_full(recipe: Callable[..., Path], tmp_path: Path) -> None:
    """Everything stands on a file system of 2 MB, filled up by something else."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = shutil.which("mount")
    options = ["-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)]
    if mount is None or subprocess.run([mount, *options], capture_output=True).returncode:
        pytest.skip("cannot mount a file system here")
    try:
        train = {"total_iter": 200, "ema_decay": 0.9}
        path = recipe(
            datasets={"val": None},
            val=None,
            train=train,
            path={"experiments_root": str(disk)},
            logger={"print_freq": 1, "save_checkpoint_freq": 20, "use_tb_logger": True},
        )
        command = [sys.executable, "-m", "adasr", "train", "-opt", str(path), "--auto-resume"]
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        assert process.stdout is not None
        told = ""
        for line in process.stdout:
            told += line
            if line.startswith("iteration 50:"):
                fill(disk / "ballast")
        assert process.wait(60) == 1, told
        assert "Traceback" not in told, told
        assert "metrics.jsonl: cannot be written (No space left on device)" in told, told
        assert "cannot be saved (" in told, told
        assert f"in {disk / 'run'} is kept, and --auto-resume goes on from it" in told, told
        states = sorted(int(p.stem) for p in (disk / "run" / "training_states").iterdir())
        for iteration in states:
            load_state(disk / "run" / "training_states" / f"{iteration}.state")
        (disk / "ballast").unlink()
        assert main(["train", "-opt", str(path), "--auto-resume"]) == 0
        log = (disk / "run" / "train.log").read_text()
        assert f"resumed after iteration {states[-1]}" in log
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=False)


def fill(path: Path) -> None:
    """Take all the room that is left."""
    with contextlib.suppress(OSError), path.open("ab", buffering=0) as file:
        while file.write(bytes(512)):
            pass
