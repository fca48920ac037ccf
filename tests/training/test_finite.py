"""Steps that are not finite change nothing, looked at at once or later."""

from __future__ import annotations

import copy

import pytest
import torch
from accelerate import Accelerator
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from adasr.errors import TrainingError
from adasr.training.finite import MAX_NONFINITE, FiniteWatch, Streak


def _watch(net: nn.Module, told: list[str], deferred: bool) -> FiniteWatch:
    accelerator = Accelerator(cpu=True)
    optimizer = torch.optim.Adam(net.parameters(), lr=0.1, fused=True)
    watch = FiniteWatch(accelerator, accelerator.prepare(optimizer), told.append, "runs/x")
    assert not watch.deferred  # on a CPU
    watch.deferred = deferred
    return watch


def _steps(net: nn.Module, watch: FiniteWatch, values: list[float]) -> list[bool]:
    done = []
    for iteration, value in enumerate(values, 1):
        loss = net(torch.full((1, 2), value)).sum()
        loss.backward()
        norm = torch.nn.utils.get_total_norm([p.grad for p in net.parameters()])
        done.append(watch.step({"l_pix": loss}, norm, iteration, [f"{iteration}.png"]))
        assert all(p.grad is None for p in net.parameters())
    return done


@pytest.mark.parametrize("deferred", [False, True])
def test_a_bad_step_is_as_if_it_had_not_been(deferred):
    net, told = nn.Linear(2, 1), []
    without = copy.deepcopy(net)
    watch = _watch(net, told, deferred)
    done = _steps(net, watch, [1.0, float("nan"), float("inf"), 2.0])
    watch.tell()
    _steps(without, _watch(without, [], deferred), [1.0, 2.0])
    for ours, expected in zip(net.parameters(), without.parameters(), strict=True):
        torch.testing.assert_close(ours, expected, rtol=0, atol=0)
    assert len(told) == 2
    assert "iteration 2" in told[0] and "2.png" in told[0] and "l_pix = nan" in told[0]
    assert done == ([True] * 4 if deferred else [True, False, False, True])
    assert watch.streak.length == 0


@pytest.mark.parametrize("deferred", [False, True])
def test_too_many_in_a_row_end_the_training(deferred):
    net = nn.Linear(2, 1)
    watch = _watch(net, [], deferred)
    _steps(net, watch, [float("nan")] * (MAX_NONFINITE - 1))
    watch.tell()
    assert watch.streak.length == MAX_NONFINITE - 1
    with pytest.raises(TrainingError, match="runs/x is untouched"):
        _steps(net, watch, [float("nan")])
        watch.tell()


@pytest.mark.parametrize("deferred", [False, True])
def test_another_optimizer_s_steps_are_counted_by_themselves(deferred: bool) -> None:
    told: list[str] = []
    net = nn.Linear(2, 1)
    watch = _watch(net, told, deferred)
    other = Streak(told.append, "runs/x", "Change the other.")
    bad, good = torch.tensor(float("nan")), torch.tensor(0.0)
    for iteration, (own, followed) in enumerate([(1.0, bad), (1.0, bad), (2.0, good), (2.0, bad)]):
        _steps(net, watch, [own])
        watch.follow(other, iteration, "the other loss", followed)
    watch.tell()
    assert len(told) == 3 and all("the other loss is not finite" in line for line in told)
    assert (other.length, watch.streak.length) == (1, 0)
    watch.follow(other, 5, "the other loss", None)
    assert other.length == 0
    with pytest.raises(TrainingError, match=r"untouched\. Change the other\.$"):
        for iteration in range(MAX_NONFINITE):
            watch.follow(other, iteration, "the other loss", bad)
        watch.tell()


def test_a_step_left_out_with_the_network_s_is_not_told_of(never_waits: TorchDispatchMode) -> None:
    told: list[str] = []
    net = nn.Linear(2, 1)
    watch = _watch(net, told, True)
    other = Streak(told.append, "runs/x")
    other.length = 3
    with never_waits:
        _steps(net, watch, [float("nan")])
        watch.follow(other, 1, "the other loss", torch.tensor(float("nan")))
    assert watch.skipped is not None and bool(watch.skipped)
    watch.tell()
    assert len(told) == 1 and "l_pix = nan" in told[0]
    assert other.length == 3
