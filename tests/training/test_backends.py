"""The switches of torch are set in one place, and only for GPUs."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest
import torch

from adasr.memory import keep_freed_memory
from adasr.training.backends import set_backends


def _switches() -> tuple[object, ...]:
    cudnn = torch.backends.cudnn
    return (
        cudnn.benchmark,
        cudnn.deterministic,
        torch.are_deterministic_algorithms_enabled(),
        torch.get_float32_matmul_precision(),
        cudnn.allow_tf32,
    )


@pytest.fixture(autouse=True)
def _as_before(monkeypatch):
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    cudnn, before = torch.backends.cudnn, _switches()
    yield
    cudnn.benchmark, cudnn.deterministic, deterministic, precision, cudnn.allow_tf32 = before
    torch.use_deterministic_algorithms(deterministic)
    torch.set_float32_matmul_precision(precision)


def test_nothing_is_set_for_a_cpu():
    before = _switches()
    set_backends(torch.device("cpu"), deterministic=True)
    assert _switches() == before


@pytest.mark.parametrize("deterministic", [False, True])
def test_fast_or_reproducible_on_a_gpu(deterministic):
    set_backends(torch.device("cuda"), deterministic)
    fast = not deterministic
    assert _switches() == (fast, deterministic, deterministic, "highest", fast)


_LARGE = """
import resource, torch
from adasr.memory import keep_freed_memory
keep = {keep}
assert not keep or keep_freed_memory()
x = torch.zeros(12 << 20)
for step in range(9):
    if step == 4:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    a = x + 1
    b = a * 2
    a = b + a
    del a, b
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
def test_large_tensors_take_the_memory_of_those_before_them():
    """Counted in page faults of later steps, of which there is one for every page given anew."""
    faults = []
    for keep in (False, True):
        command = [sys.executable, "-c", _LARGE.format(keep=keep)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        faults.append(int(done.stdout))
    assert faults[1] < faults[0] / 4


def test_another_c_library_is_left_alone(monkeypatch):
    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    assert keep_freed_memory() is False
