"""Overlap, bounded memory, and every way of ending early."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from adasr.inference import Upscaler, upscale_folder
from adasr.inference.folder.budget import Budget
from adasr.inference.folder.pipeline import Ended, Event, OnTile, Pipeline, Started
from adasr.inference.folder.plan import Job
from adasr.inference.folder.shard import Shard


class Nearest(nn.Module):
    upscale = 2

    def __init__(self, seconds: float = 0.0) -> None:
        super().__init__()
        self.seconds = seconds

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        time.sleep(self.seconds)
        return nn.functional.interpolate(x, scale_factor=2.0, mode="nearest")


def save(path: Path, seed: int = 0, shape: tuple[int, ...] = (6, 5, 3)) -> np.ndarray:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    Image.fromarray(image).save(path)
    return image


def files(folder: Path) -> dict[str, bytes]:
    return {
        p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()
    }


class Sleeper:
    """Work that takes as long as it is told and remembers what was in memory at once."""

    def __init__(self, size: int = 1, seconds: float = 0.0) -> None:
        self.bytes, self.seconds = size, seconds
        self.held = self.most = 0
        self.lock = threading.Lock()
        self.batches: list[int] = []

    def is_done(self, job: Job) -> bool:
        return job.source.name == "there"

    def size(self, job: Job) -> int:
        return self.bytes

    def read(self, job: Job) -> str:
        with self.lock:
            self.held += 1
            self.most = max(self.most, self.held)
        time.sleep(self.seconds)
        if job.source.name == "bad":
            raise ValueError("bad")
        return job.source.name

    def kind(self, content: str) -> tuple[str, int]:
        return "", 4

    def compute(self, jobs: Sequence[Job], contents: Sequence[str], on_tile: OnTile) -> list[str]:
        self.batches.append(len(contents))
        time.sleep(self.seconds)
        on_tile(1, 2)
        return [f"{content}!" for content in contents]

    def write(self, job: Job, result: str) -> Path:
        time.sleep(self.seconds)
        assert result == f"{job.source.name}!"
        with self.lock:
            self.held -= 1
        return job.output


def ignore(event: Event) -> None:
    pass


def jobs(names: Sequence[str]) -> list[Job]:
    return [Job(Path(name), Path(f"out/{n}.png")) for n, name in enumerate(names)]


def test_everything_comes_through_once_and_in_order() -> None:
    names = ["a", "bad", "there", *"bcdefg", "bad", "h"]
    work = Sleeper(seconds=0.005)
    events: list[Event] = []
    Pipeline(jobs(names), work, 100, threading.Event()).run(events.append)
    ended = [event for event in events if isinstance(event, Ended)]
    assert [event.number for event in ended] == list(range(len(names)))
    for event, name in zip(ended, names, strict=True):
        assert (event.error is not None) == (name == "bad")
        assert (event.output is not None) == (name not in ("bad", "there"))
    assert sorted(e.number for e in events if isinstance(e, Started)) == list(range(len(names)))
    assert max(work.batches) > 1


def test_no_more_is_in_memory_than_there_is_room_for() -> None:
    work = Sleeper(size=10, seconds=0.002)
    Pipeline(jobs(["x"] * 40), work, 30, threading.Event()).run(ignore)
    assert 2 <= work.most <= 3
    larger_than_all = Sleeper(size=1000, seconds=0.002)
    Pipeline(jobs(["x"] * 5), larger_than_all, 30, threading.Event()).run(ignore)
    assert larger_than_all.most == 1


def test_a_fault_of_ours_is_told_and_leaves_nobody_waiting() -> None:
    class Faulty(Sleeper):
        def kind(self, content: str) -> tuple[str, int]:
            raise KeyError("ours")

    with pytest.raises(KeyError, match="ours"):
        Pipeline(jobs(["x"] * 200), Faulty(), 30, threading.Event()).run(ignore)
    assert threading.active_count() < 5


def test_nobody_is_let_in_after_a_stop() -> None:
    stop = threading.Event()
    budget = Budget(10, 10, stop.is_set)
    assert budget.take(10)
    threading.Timer(0.05, stop.set).start()
    assert not budget.take(1)


def test_a_stop_keeps_what_is_computed_and_drops_the_rest(tmp_path: Path) -> None:
    for number in range(30):
        save(tmp_path / "in" / f"{number}.png", number, (40, 40 + number, 3))
    stop = threading.Event()
    tiles = []

    def on_tile(done: int, total: int) -> None:
        tiles.append((done, total))
        if len(tiles) == 6:
            stop.set()

    up = Upscaler(Nearest(0.02), tile=20)
    report = upscale_folder(up, tmp_path / "in", tmp_path / "out", stop=stop, on_tile=on_tile)
    assert 1 <= len(report.done) < 30
    assert len(report.done) + len(report.left) == 30 and not report.failures
    assert sorted(files(tmp_path / "out")) == sorted(p.name for p in report.done)


def test_a_caller_that_leaves_stops_the_threads(tmp_path: Path) -> None:
    for number in range(20):
        save(tmp_path / "in" / f"{number}.png", number, (6, 5 + number, 3))

    def give_up(path: Path, problem: str | None) -> None:
        raise KeyboardInterrupt

    before = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        upscale_folder(Upscaler(Nearest()), tmp_path / "in", tmp_path / "out", on_done=give_up)
    assert threading.active_count() == before
    assert not [name for name in files(tmp_path / "out") if name.startswith(".")]


def test_two_parts_are_one_run(tmp_path: Path) -> None:
    for number in range(7):
        save(tmp_path / "in" / f"{number}.jpg", number)
        save(tmp_path / "in" / f"{number}.png", number)
    (tmp_path / "in/3.jpg").write_bytes(b"")
    (tmp_path / "in/4.png").write_bytes(b"")
    up = Upscaler(Nearest())
    whole = upscale_folder(up, tmp_path / "in", tmp_path / "whole")
    parts = [
        upscale_folder(up, tmp_path / "in", tmp_path / "parts", shard=Shard(i, 2)) for i in (1, 2)
    ]
    assert sorted(p.name for part in parts for p in part.done) == sorted(p.name for p in whole.done)
    assert parts[0].failures | parts[1].failures == whole.failures
    images = [
        {k: v for k, v in files(tmp_path / name).items() if not k.endswith(".json")}
        for name in ("whole", "parts")
    ]
    assert images[0] == images[1] and len(images[0]) == 12
    written = [p.name for p in sorted((tmp_path / "parts").glob("*.json"))]
    assert written == [
        f"failures-{i}-of-2.json" for i, part in enumerate(parts, 1) if part.failures
    ]


def test_failures_are_written_and_removed_when_there_are_none(tmp_path: Path) -> None:
    save(tmp_path / "in/a.png")
    (tmp_path / "in/b.png").write_bytes(b"no image")
    up = Upscaler(Nearest())
    report = upscale_folder(up, tmp_path / "in", tmp_path / "out")
    found = json.loads((tmp_path / "out/failures.json").read_text())
    assert found == {
        "failures": [
            {"file": str(tmp_path / "in/b.png"), "problem": report.failures[tmp_path / "in/b.png"]}
        ]
    }
    save(tmp_path / "in/b.png")
    again = upscale_folder(up, tmp_path / "in", tmp_path / "out", skip_existing=True)
    assert len(again.skipped) == len(again.done) == 1
    assert not (tmp_path / "out/failures.json").exists()


def test_an_input_folder_that_disappears_ends_the_run(tmp_path: Path) -> None:
    for number in range(200):
        save(tmp_path / "in" / f"{number}.png", number, (6, 5 + number, 3))

    def pull_out(path: Path, problem: str | None) -> None:
        if (tmp_path / "in").exists():
            (tmp_path / "in").rename(tmp_path / "elsewhere")

    up = Upscaler(Nearest(0.02))
    report = upscale_folder(up, tmp_path / "in", tmp_path / "out", on_done=pull_out)
    assert report.ended is not None and "disappeared" in report.ended
    assert len(report.failures) == 1 and len(report.left) > 0


def test_names_that_are_no_text_can_be_told(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    save(folder / "a.png")
    (folder / os.fsdecode(b"bad\xff.png")).write_bytes(b"")
    report = upscale_folder(Upscaler(Nearest()), folder, tmp_path / "out")
    assert len(report.done) == len(report.failures) == 1
    text = (tmp_path / "out/failures.json").read_text(encoding="utf-8")
    assert "bad\ufffd.png" in text


def test_an_empty_result_counts_as_none(tmp_path: Path) -> None:
    save(tmp_path / "in/a.png")
    (tmp_path / "out").mkdir()
    (tmp_path / "out/a.png").touch()
    up = Upscaler(Nearest())
    report = upscale_folder(up, tmp_path / "in", tmp_path / "out", skip_existing=True)
    assert len(report.done) == 1


def test_inputs_that_may_not_be_written_to_are_enough(tmp_path: Path) -> None:
    save(tmp_path / "in/sub/a.png")
    for path in (tmp_path / "in/sub/a.png", tmp_path / "in/sub", tmp_path / "in"):
        path.chmod(0o444 if path.is_file() else 0o555)
    report = upscale_folder(Upscaler(Nearest()), tmp_path / "in", tmp_path / "out")
    assert len(report.done) == 1
    assert (tmp_path / "out/sub/a.png").stat().st_mode & 0o200


_MANY = """
import json, sys
import psutil, torch
from adasr.inference import Upscaler, upscale_folder

class Nearest(torch.nn.Module):
    upscale = 2
    def forward(self, x):
        return torch.nn.functional.interpolate(x, scale_factor=2.0)

held = []
def note(path, problem):
    held.append(psutil.Process().memory_info().rss / 2**20)

report = upscale_folder(Upscaler(Nearest(), device="cpu"), sys.argv[1], sys.argv[2], on_done=note)
print(json.dumps({"done": len(report.done), "held": held}))
"""


@pytest.mark.slow
def test_memory_stays_flat_over_many_images(tmp_path: Path) -> None:
    count = 4000
    for number in range(count):
        save(tmp_path / f"in/{number % 10}/{number}.png", number, (40, 30 + number % 40, 3))
    command = [sys.executable, "-c", _MANY, str(tmp_path / "in"), str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert found["done"] == count
    early, late = max(found["held"][500:1000]), max(found["held"][-500:])
    assert late - early < 8, (early, late)  # MiB; all the results together take 60
