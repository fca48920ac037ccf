from __future__ import annotations

import multiprocessing
import sys
import time

import psutil
import pytest
import torch

from adasr.training import memory
from adasr.training.memory import MemoryMeter, device_memory_mib, host_memory_mib


def _hold(pipe) -> None:
    held = bytearray(b"\1" * (64 << 20))
    pipe.send(len(held))
    pipe.recv()


def test_the_memory_of_this_process_is_what_the_system_counts() -> None:
    resource = pytest.importorskip("resource")  # Windows has none
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    peak_mib = peak / (2**20 if sys.platform == "darwin" else 2**10)
    assert 10 < host_memory_mib() < peak_mib + 100


def test_workers_count_while_they_live() -> None:
    before = host_memory_mib()
    ours, theirs = multiprocessing.Pipe()
    worker = multiprocessing.Process(target=_hold, args=(theirs,), daemon=True)
    worker.start()
    assert ours.recv() == 64 << 20
    assert host_memory_mib() > before + 50
    ours.send(None)
    worker.join()
    assert host_memory_mib() < before + 50


def test_looking_costs_next_to_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = []

    def slow() -> float:
        looks.append(1)
        time.sleep(0.01)
        return 123.0

    monkeypatch.setattr(memory, "host_memory_mib", slow)
    meter = MemoryMeter("cpu")
    assert [meter.read() for _ in range(50)] == [{"memory_mib": 123.0}] * 50
    assert len(looks) == 1
    meter._next = 0.0
    meter.read()
    assert len(looks) == 2


def test_a_process_that_is_gone_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(pid: int | None) -> None:
        raise psutil.NoSuchProcess(pid or 0)

    monkeypatch.setattr(psutil, "Process", gone)
    assert host_memory_mib() == 0.0


def test_a_cpu_has_no_memory_of_its_own() -> None:
    assert device_memory_mib(torch.device("cpu")) is None


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_the_memory_of_a_gpu_holds_what_is_on_it() -> None:
    held = torch.zeros(64 << 20, dtype=torch.uint8, device="cuda")
    found = MemoryMeter("cuda").read()["device_memory_mib"]
    assert found >= held.numel() / 2**20
