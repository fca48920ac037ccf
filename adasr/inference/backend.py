"""What runs a network: the one interface between tiles and whatever computes them."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from ..errors import AdasrError


@runtime_checkable
class Backend(Protocol):
    """A network that enlarges tensors, wherever it runs.

    Safe to call from several threads.

    Attributes:
        name: what runs it, e.g. ``"torch"``.
        upscale: how many times larger the output is.
        channels: of its images, 1 or 3.
        multiple: both sides of its input must be multiples of it.
        minimum: and at least this long.
        device: where it runs.
        precision: of the computation: ``"fp32"``, ``"bf16"`` or ``"fp16"``.
    """

    name: str
    upscale: int
    channels: int
    multiple: int
    minimum: int
    device: torch.device
    precision: str

    def __call__(self, images: Tensor) -> Tensor:
        """(N, C, h, w) float32 in [0, 1] on the CPU to (N, C, h * upscale, w * upscale), alike.

        Raises:
            AdasrError: a value is not finite, also when computed in fp32, or the size is wrong
                (``check_output`` does both).
            RuntimeError, MemoryError: memory ran out (``memory.is_out_of_memory`` recognizes it).
        """
        ...

    def probe(self, images: Tensor) -> Tensor:
        """As a call, in fp32 and unchecked: NaN in the input may come out."""
        ...

    def bytes_per_pixel(self) -> float:
        """Memory that a pixel of the input takes while the network runs, estimated."""
        ...

    def available_bytes(self) -> int:
        """Memory that can still be had where the network runs."""
        ...

    def release(self) -> None:
        """Give back memory that is kept for the next call."""
        ...

    def close(self) -> None:
        """Give back everything; no further calls."""
        ...


def check_output(output: Tensor, images: Tensor, upscale: int) -> Tensor:
    """``output``, if it is finite and ``upscale`` times as large as ``images``.

    Raises:
        AdasrError: it is not.
    """
    expected = tuple(side * upscale for side in images.shape[-2:])
    if tuple(output.shape[-2:]) != expected:
        raise AdasrError(
            f"The network made {tuple(output.shape[-2:])} pixels of {tuple(images.shape[-2:])}, "
            f"not {expected}. Its scale is not {upscale}."
        )
    if not is_finite(output):
        raise AdasrError(
            "The network's output is not finite (NaN or infinity), also in fp32. "
            "Its weights are damaged, or it diverged in training: use another checkpoint."
        )
    return output


def is_finite(output: Tensor) -> bool:
    """Whether every value is; a sum tells without a mask as large as ``output``."""
    return bool(output.sum(dtype=torch.float64).isfinite())
