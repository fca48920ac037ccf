"""What several processes decide alike; with real processes in ``test_distributed``."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.distributed as dist

from adasr.options import Options
from adasr.training import run
from adasr.training.agreement import PATIENCE, SignalAgreement


@pytest.fixture
def group() -> Iterator[None]:
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    yield
    dist.destroy_process_group()


@pytest.mark.parametrize("backend", ["gloo", "nccl"])
@pytest.mark.usefixtures("group")
def test_signals_go_through_the_hosts(backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In every iteration, with GPUs as well: no number of theirs is waited for."""
    asked: list[tuple[str, Any]] = []
    all_reduce = dist.all_reduce

    def recorded(tensor: torch.Tensor, op: Any, group: Any = None) -> None:
        asked.append((tensor.device.type, group))
        all_reduce(tensor, op, group=group)

    monkeypatch.setattr(dist, "all_reduce", recorded)
    with monkeypatch.context() as patch:
        patch.setattr(dist, "get_backend", lambda *_: backend)
        several: Any = SimpleNamespace(num_processes=2, device=torch.device("cuda"))
        agree = SignalAgreement(several)
    found = [agree(got) for got in (None, signal.SIGTERM, None)]
    assert found == [None, signal.SIGTERM, None]
    assert [place for place, _ in asked] == ["cpu"] * 3
    for _, group in asked:
        assert (group is None) == (backend == "gloo")
        assert dist.get_backend(group) == "gloo"
        if group is not None:  # the first process may validate for hours
            options = group._get_backend(torch.device("cpu")).options
            assert options._timeout == PATIENCE


def test_one_process_asks_nobody() -> None:
    alone: Any = SimpleNamespace(num_processes=1)
    agree = SignalAgreement(alone)
    assert (agree(signal.SIGINT), agree(None)) == (signal.SIGINT, None)


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("own", [True, False])
def test_the_first_process_decides_whether_all_validate(
    first: bool, own: bool, options: Callable[..., Options], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a metric can be had on one machine alone, the processes would wait for ever."""
    monkeypatch.setattr(run, "make_validator", lambda *_: (lambda *_: ({}, 0.0)) if own else None)
    monkeypatch.setattr(run, "broadcast_object_list", lambda _: [first])
    log: Any = None
    assert (run._validator(options(), Path(), log) is not None) == first
