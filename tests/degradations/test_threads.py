"""Work in threads: each piece once, errors and the number of threads as they should be."""

from __future__ import annotations

import threading
import time

import pytest
import torch

from adasr.degradations.threads import for_each


@pytest.fixture(params=[1, 2, 4])
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def test_each_index_once_by_that_many_threads(threads):
    found, workers = [], set()

    def work(index: int) -> None:
        assert torch.get_num_threads() == 1
        workers.add(threading.get_ident())
        time.sleep(0.01)
        found.append(index)

    for_each(20, work)
    assert sorted(found) == list(range(20))
    assert len(workers) == threads
    assert torch.get_num_threads() == threads


@pytest.mark.parametrize("bad", [0, 1, 7])
def test_an_error_comes_out_and_ends_the_rest(threads, bad):
    found = []

    def work(index: int) -> None:
        if index == bad:
            raise ValueError("bad sample")
        time.sleep(0.01)
        found.append(index)

    with pytest.raises(ValueError, match="bad sample"):
        for_each(50, work)
    assert len(found) < bad + 2 * threads
    assert torch.get_num_threads() == threads
