"""What several tests of the training loop need."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode


class NeverWaits(TorchDispatchMode):
    """Inside, reading a number of a tensor is an error: on a GPU it would be a wait for it."""

    WAITS = (torch.ops.aten._local_scalar_dense, torch.ops.aten.is_nonzero, torch.ops.aten.equal)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.overloadpacket in self.WAITS:
            raise AssertionError(f"{func} waits for the device")
        return func(*args, **(kwargs or {}))


@pytest.fixture
def never_waits() -> Iterator[TorchDispatchMode]:
    """To be entered, as often as wanted."""
    mode = NeverWaits()
    with mode, pytest.raises(AssertionError, match="waits for the device"):
        bool(torch.ones(()))
    yield mode
