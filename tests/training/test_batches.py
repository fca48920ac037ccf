"""Pairs are the same whether they are made ahead by a thread or when they are asked for."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
import torch

from adasr.training.batches import PairSource, generator

CPU = torch.device("cpu")


def _batches(log: list[str], count: int = 1000) -> Iterator[dict[str, Any]]:
    try:
        for number in range(count):
            gt = torch.full((2, 3, 4, 4), float(number))
            yield {"gt": gt, "path": [f"{number}.png"], "skipped": [("bad.png", "is damaged")]}
    finally:
        log.append("closed")


def _noisy(gt: torch.Tensor, numbers: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    return gt[..., ::2, ::2] + torch.rand((), generator=numbers), gt


def _source(log: list[str], ahead: int, done: int = 0, parts: int = 1, **more: Any) -> PairSource:
    batches = more.pop("batches", None) or _batches(log)
    make = more.pop("make_pairs", _noisy)
    return PairSource(batches, make, CPU, (7, 0), done, parts, ahead)


@pytest.mark.parametrize("parts", [1, 3])
def test_made_ahead_or_not_they_are_the_same(parts):
    found = []
    for ahead in (0, 2):
        with _source([], ahead, done=4, parts=parts) as source:
            found.append([next(source) for _ in range(7)])
    for number, (a, b) in enumerate(zip(*found, strict=True)):
        assert torch.equal(a.lq, b.lq) and torch.equal(a.gt, b.gt)
        assert a.paths == b.paths == [f"{number}.png"]
        assert a.skipped == {"bad.png": "is damaged"}
        iteration, part = 5 + number // parts, number % parts
        shift = torch.rand((), generator=generator(7, 0, iteration, part))
        assert torch.equal(a.lq, a.gt[..., ::2, ::2] + shift)


@pytest.mark.parametrize("ahead", [0, 2])
def test_leaving_ends_the_thread_and_closes_the_loader(ahead):
    log: list[str] = []
    before = threading.active_count()
    with _source(log, ahead) as source:
        next(source)
    assert log == ["closed"]
    assert threading.active_count() == before


@pytest.mark.parametrize("ahead", [0, 2])
def test_an_error_is_raised_where_pairs_are_asked_for(ahead):
    def broken(gt: torch.Tensor, numbers: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        if gt.max() >= 2:
            raise ValueError("bad frame")
        return gt, gt

    log: list[str] = []
    with _source(log, ahead, make_pairs=broken) as source:
        next(source)
        next(source)
        with pytest.raises(ValueError, match="bad frame"):
            next(source)
    assert log == ["closed"]


@pytest.mark.parametrize("ahead", [0, 2])
def test_pairs_of_the_loader_are_passed_on(ahead):
    pairs = ({"gt": torch.ones(1, 3, 4, 4), "lq": torch.zeros(1, 3, 2, 2), "path": ["a"],
              "skipped": []} for _ in range(9))  # fmt: skip
    with _source([], ahead, batches=pairs, make_pairs=None) as source:
        found = next(source)
    assert found.lq.shape == (1, 3, 2, 2) and found.gt.shape == (1, 3, 4, 4)
    assert found.seconds.keys() == {"data", "degradation"}
