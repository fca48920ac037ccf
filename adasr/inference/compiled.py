"""A compiled function, where compiling it pays."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from torch import Tensor

_ENOUGH = 64 * 64  # pixels of a batch: below that, calls take too little time to tell
_CALLS = 2


class Faster:
    """The faster one of a function and of what TorchInductor makes of it.

    On a CPU that may be either: it fuses what lies between convolutions, but adds conversions
    around them. Both are timed at the first call with a large enough batch, which takes as long as
    compiling does and some calls more; before it nothing is compiled.

    Args:
        call: takes tensors (N, C, H, W), the first of which counts.
        device: where they are.
    """

    def __init__(self, call: Callable[..., Tensor], device: torch.device) -> None:
        self._call, self._device = call, device
        self.chosen: Callable[..., Tensor] | None = None

    def __call__(self, *tensors: Tensor) -> Tensor:
        """What the function gives."""
        if self.chosen is None:
            batch, _, height, width = tensors[0].shape
            if batch * height * width < _ENOUGH:
                return self._call(*tensors)
            self.chosen = self._faster(tensors)
        return self.chosen(*tensors)

    def _faster(self, tensors: tuple[Tensor, ...]) -> Callable[..., Tensor]:
        compiled = torch.compile(self._call)
        compiled(*tensors)  # compiles
        return min((self._call, compiled), key=lambda call: self._seconds(call, tensors))

    def _seconds(self, call: Callable[..., Tensor], tensors: tuple[Tensor, ...]) -> float:
        found = []
        for _ in range(_CALLS):
            self._wait()
            begin = time.perf_counter()
            call(*tensors)
            self._wait()
            found.append(time.perf_counter() - begin)
        return min(found)

    def _wait(self) -> None:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
