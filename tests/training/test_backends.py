"""The switches of torch are set in one place, and only for GPUs."""

from __future__ import annotations

import pytest
import torch

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
    precision = "highest" if deterministic else "high"
    fast = not deterministic
    assert _switches() == (fast, deterministic, deterministic, precision, fast)
