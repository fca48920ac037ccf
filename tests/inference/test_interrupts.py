"""Signals, on a process of its own: what stays on the disk and what the exit code says."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

_RUN = """
import sys, threading, time, torch
from pathlib import Path
from adasr.inference import Upscaler, upscale_folder
from adasr.inference.interrupts import Interrupts

class Slow(torch.nn.Module):
    upscale = 2
    def forward(self, x):
        time.sleep(float(sys.argv[3]))
        return torch.nn.functional.interpolate(x, scale_factor=2.0)

stop = threading.Event()
up = Upscaler(Slow(), device="cpu", tile=0)
with Interrupts(stop, lambda name: print("stopping", name, flush=True)) as interrupts:
    report = upscale_folder(up, sys.argv[1], sys.argv[2], stop=stop, skip_existing=True,
                            on_done=lambda path, problem: print("done", flush=True))
print("left", len(report.left), flush=True)
sys.exit(interrupts.exit_code or 0)
"""
COUNT = 24


@pytest.fixture
def inputs(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    random = np.random.default_rng(0)
    for number in range(COUNT):  # of different sizes: each goes through the network alone
        image = random.integers(0, 256, (60, 60 + number, 3), dtype=np.uint8)
        Image.fromarray(image).save(folder / f"{number}.png")
    return folder


def start(inputs: Path, seconds: float) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", _RUN, str(inputs), str(inputs.parent / "out"), str(seconds)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdout is not None
    while (read := process.stdout.readline()).strip() != line:
        assert read, process.stderr and process.stderr.read()


def whole_files(folder: Path) -> int:
    """How many results there are, each of them whole and none under another name."""
    names = [path.name for path in folder.iterdir()]
    assert not [name for name in names if name.startswith(".")], names
    for path in folder.iterdir():
        with Image.open(path) as image:
            image.load()
    return len(names)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_ends_in_good_order(inputs: Path, number: signal.Signals) -> None:
    process = start(inputs, 0.2)
    wait_for(process, "done")
    process.send_signal(number)
    out, errors = process.communicate(timeout=60)
    assert process.returncode == 128 + number, errors
    assert f"stopping {number.name}" in out and not errors
    done = whole_files(inputs.parent / "out")
    assert 1 <= done < COUNT and f"left {COUNT - done}" in out


def test_the_second_signal_does_not_wait_for_the_network(inputs: Path) -> None:
    process = start(inputs, 30.0)
    time.sleep(0.1)
    deadline = time.monotonic() + 60
    while not (inputs.parent / "out").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    wait_for(process, "stopping SIGINT")
    begin = time.monotonic()
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=20) == 130
    assert time.monotonic() - begin < 15
    assert whole_files(inputs.parent / "out") == 0


def test_a_killed_run_goes_on_where_it_was(inputs: Path) -> None:
    process = start(inputs, 0.2)
    for _ in range(3):
        wait_for(process, "done")
    process.kill()
    process.communicate(timeout=60)
    out = inputs.parent / "out"
    for path in out.glob(".*"):  # what a kill leaves is hidden; an hour later a run removes it
        path.unlink()
    done = whole_files(out)
    assert 3 <= done < COUNT
    before = {path: path.stat().st_mtime_ns for path in out.iterdir()}
    process = start(inputs, 0.0)
    text, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert "left 0" in text and whole_files(out) == COUNT
    assert {path: path.stat().st_mtime_ns for path in before} == before
