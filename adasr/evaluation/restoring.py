"""LQ to SR as it is scored: whole images where memory holds them, tiles where it does not."""

from __future__ import annotations

import contextlib
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from ..data.rows import ArrayRows, ArraySink
from ..errors import AdasrError
from ..inference.memory import available_bytes, bytes_per_pixel, is_out_of_memory
from ..inference.tiler import Tiler
from ..inference.tiles import pad_to_multiple, padded
from ..inference.torch_backend import TorchBackend

Precision = Literal["fp32", "bf16", "fp16"]
_DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}
# Of the free memory that a network may take for a whole image.
_SHARE = 0.5
_SURELY = 256**2  # pixels that any machine holds
_PROBE_SIDE = 32


def restore(network: nn.Module, lq: Tensor, precision: Precision = "fp32") -> Tensor:
    """``network`` on one whole image, or several, float32, not clamped.

    Images are padded at their right and bottom to the network's ``size_multiple`` and the result
    cropped. An image whose output in bf16 or fp16 is not finite is computed again in fp32.

    Args:
        network: (N, 3, h, w) to (N, 3, h * upscale, w * upscale).
        lq: (3, h, w) or (N, 3, h, w) on the network's device.
        precision: of the computation.
    """
    if lq.ndim == 3:
        return restore(network, lq[None], precision)[0]
    height, width = lq.shape[-2:]
    images = pad_to_multiple(lq, *_grid(network))
    with torch.no_grad(), _autocast(lq.device, precision):
        sr = network(images).float()
    scale = sr.shape[-1] // images.shape[-1]
    sr = sr[..., : height * scale, : width * scale]
    if precision != "fp32":
        for index in range(len(sr)):
            if not sr[index].isfinite().all():
                sr[index] = restore(network, lq[index])
    return sr


class Restorer:
    """A network on images of any size, remembering what it takes.

    Args:
        network: in evaluation mode, (N, 3, h, w) to (N, 3, h * upscale, w * upscale).
        device: where it is.
        precision: of the computation.
        tile: 0 takes whole images only; "auto" takes tiles, which overlap by as much as the network
            sees, where half of the free memory does not hold the whole; a number is the side of a
            tile for images that are larger.
    """

    def __init__(
        self,
        network: nn.Module,
        device: torch.device,
        precision: Precision = "fp32",
        tile: int | Literal["auto"] = 0,
    ) -> None:
        self.network, self.device = network, device
        self.precision: Precision = precision
        self.tile: int | Literal["auto"] = tile
        self._tiler: Tiler | None = None
        self._bytes_per_pixel: float | None = None

    def __call__(self, lq: Tensor) -> tuple[Tensor, str]:
        """SR (N, 3, H, W) of LQ (N, 3, h, w), and how it was made unless of the whole image.

        What tiles make is clamped to [0, 1] and on the CPU.

        Raises:
            RuntimeError: memory ran out, for several images or with ``tile`` 0.
        """
        tiles = self.tile != 0 and len(lq) == 1
        if not (tiles and not self._fits(lq)):
            try:
                return restore(self.network, lq.to(self.device), self.precision), ""
            except RuntimeError as error:
                if not (tiles and is_out_of_memory(error)):
                    raise
            if self.device.type == "cuda":
                torch.cuda.empty_cache()
        return self._tiled(lq[0])

    def _fits(self, lq: Tensor) -> bool:
        height, width = lq.shape[-2:]
        if isinstance(self.tile, int):
            return max(height, width) <= self.tile
        if height * width <= _SURELY:
            return True
        if self._bytes_per_pixel is None:
            side = padded(_PROBE_SIDE, *_grid(self.network))
            probe = lq.new_zeros((1, lq.shape[1], side, side))
            self._bytes_per_pixel = bytes_per_pixel(
                self.network,
                lambda images: restore(self.network, images, self.precision),
                probe.to(self.device),
            )
        needed = self._bytes_per_pixel * lq.shape[0] * height * width
        return needed <= _SHARE * available_bytes(self.device)

    def _tiled(self, lq: Tensor) -> tuple[Tensor, str]:
        if self._tiler is None:
            backend = _Unchecked(self.network, "auto", self.precision)
            self._tiler = Tiler(backend, self.tile)
        source = ArrayRows(np.ascontiguousarray(lq.permute(1, 2, 0).cpu().numpy()))
        height, width, channels = source.shape
        upscale = self._tiler.backend.upscale
        sink = ArraySink((height * upscale, width * upscale, channels), source.dtype)
        self._tiler.run(source, sink)
        sr = torch.from_numpy(sink.image).permute(2, 0, 1)[None]
        rows, columns = self._tiler.size_for(height, width, source)
        if rows >= height and columns >= width:
            return sr, ""
        error = self._tiler.reach.error
        exact = f"a value may be {error:.2g} off that of the whole" if error else "as the whole"
        return sr, f"in tiles of {columns}x{rows} pixels, {exact}"


class _Unchecked(TorchBackend):
    """Values that are not finite come out: they are scored, as NaN."""

    def __call__(self, images: Tensor) -> Tensor:
        try:
            return super().__call__(images)
        except AdasrError:
            return self.probe(images)


def _grid(network: nn.Module) -> tuple[int, int]:
    """What the sides of an image must be a multiple of, and at least."""
    multiple, minimum = (getattr(network, name, 1) for name in ("size_multiple", "size_minimum"))
    return int(multiple), int(minimum)


def _autocast(
    device: torch.device, precision: Precision
) -> contextlib.AbstractContextManager[object]:
    # Off for fp32 too: the caller's own autocast must not reach the scores.
    return torch.autocast(device.type, dtype=_DTYPES.get(precision), enabled=precision in _DTYPES)
