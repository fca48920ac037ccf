"""What several processes of one training decide alike."""

from __future__ import annotations

import datetime
from typing import Any

import torch
import torch.distributed as dist
from accelerate import Accelerator

PATIENCE = datetime.timedelta(hours=4)
"""How long processes wait for each other; the first one validates and saves alone."""


class SignalAgreement:
    """All processes stop after the same iteration, that in which any of them got a signal.

    The processes ask each other in every iteration through their hosts, for some tenths of a
    millisecond: to ask through the GPUs would be to wait for all that they still have to compute.

    Args:
        accelerator: processes.
    """

    def __init__(self, accelerator: Accelerator) -> None:
        self.alone = accelerator.num_processes == 1
        # None: the group of all there is, where that goes through the hosts already.
        self._group: Any = None
        if not self.alone and dist.get_backend() != "gloo":
            self._group = dist.new_group(timeout=PATIENCE, backend="gloo")

    def __call__(self, signal: int | None) -> int | None:
        """The signal that any process got; None where none did.

        Every process must ask, and as often as the others.

        Args:
            signal: what this process got.
        """
        if self.alone:
            return signal
        found = torch.tensor([signal or 0])
        dist.all_reduce(found, dist.ReduceOp.MAX, group=self._group)
        return int(found) or None
