"""A network's forward pass with less memory and less traffic, its result the same.

* The part at the large size runs block by block: its features, 16 times the pixels of the input at
  x4, then fit in a processor's cache and are never held whole. On a CPU that is also faster.
* Weights of convolutions and linear layers are rounded to bf16 or fp16 once, which autocast would
  do in every call.
"""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from .compiled import Faster

Forward = Callable[[Tensor], Tensor]

_CAST = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)
# Side of a block in pixels of the features. On a CPU: its cache decides, and 64 to 90 took the same
# time, 32 and 134 a tenth more. Elsewhere only memory counts.
_BLOCK = {"cpu": 72}
_OTHER_BLOCK = 512


class Lean:
    """Calls ``net``, its enlarging part in blocks where the network has one to itself.

    That is where it defines ``features(x)``, ``enlarge(features, x)`` and ``enlarge_reach``, the
    pixels of the features around a block that ``enlarge`` looks at.

    Args:
        net: in evaluation mode when called.
        device: where it runs.
        compile: whether to compile it with TorchInductor, where that is faster.
    """

    def __init__(self, net: nn.Module, device: torch.device, compile: bool = False) -> None:
        self.in_blocks = _has_halves(net)
        wrap: Any = (lambda call: Faster(call, device)) if compile else lambda call: call
        self._whole: Forward = wrap(net)
        if self.in_blocks:
            parts: Any = net
            self.features: Forward = wrap(parts.features)
            self._enlarge: Callable[[Tensor, Tensor], Tensor] = wrap(parts.enlarge)
            self._reach: int = parts.enlarge_reach
            self._upscale: int = parts.upscale
        self._block = _BLOCK.get(device.type, _OTHER_BLOCK)

    def __call__(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C, H * upscale, W * upscale), float32 where it is put together."""
        if not self.in_blocks:
            return self._whole(x)
        features = self.features(x)
        height, width = features.shape[-2:]
        if max(height, width) <= self._block + 2 * self._reach:
            return self._enlarge(features, x)
        factor = x.shape[-2] // height  # input pixels in a pixel of the features
        scale = factor * self._upscale
        output: Tensor | None = None
        for top, bottom, first, last in self._blocks(height):
            for left, right, start, stop in self._blocks(width):
                part = self._enlarge(
                    features[..., first:last, start:stop],
                    x[..., first * factor : last * factor, start * factor : stop * factor],
                )
                if output is None:
                    shape = (*part.shape[:2], height * scale, width * scale)
                    output = torch.empty(shape, device=part.device)
                rows = slice((top - first) * scale, (bottom - first) * scale)
                columns = slice((left - start) * scale, (right - start) * scale)
                target = output[..., top * scale : bottom * scale, left * scale : right * scale]
                target.copy_(part[..., rows, columns])
        assert output is not None
        return output

    def _blocks(self, length: int) -> list[tuple[int, int, int, int]]:
        """Each block's start and stop, and from where to where it is read, all equally long."""
        count = math.ceil(length / self._block)
        edges = [length * number // count for number in range(count + 1)]
        size = min(length, math.ceil(length / count) + 2 * self._reach)
        found = []
        for start, stop in itertools.pairwise(edges):
            first = min(max(0, start - self._reach), length - size)
            found.append((start, stop, first, first + size))
        return found


def lowered(net: nn.Module, dtype: torch.dtype) -> nn.Module:
    """A copy to be called under autocast, its large weights of ``dtype`` already."""
    copied = copy.deepcopy(net)
    for module in copied.modules():
        if type(module) in _CAST:
            module.to(dtype)
    return copied.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def _has_halves(net: nn.Module) -> bool:
    if net._forward_hooks or net._forward_pre_hooks:  # they would be passed by
        return False
    defining = next(kind for kind in type(net).__mro__ if "forward" in vars(kind))
    return "features" in vars(defining) and "enlarge" in vars(defining)
