"""One image through a network: any depth, any channels, any size."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from ..data.images import to_image, to_tensor
from ..errors import AdasrError, OptionError
from ..weights import load_network, network_scale
from ..weights.build import evaluation_mode, input_channels
from .channels import enlarge_alpha, extend_visible, split_alpha
from .memory import available_bytes, bytes_per_pixel, is_out_of_memory
from .receptive_field import needed_overlap
from .tiles import grid, pad_to_multiple

Precision = Literal["auto", "fp32", "bf16", "fp16"]
_DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}
_SMALLEST_TILE = 32
_MEMORY_SHARE = 0.5


class Upscaler:
    """A network that enlarges images, as a function on arrays.

    ``up(image)`` takes (H, W) or (H, W, C), C in {1, 2, 3, 4} (gray, gray and alpha, RGB, RGBA), as
    uint8, uint16 or float in [0, 1], and returns the same dtype and channels, ``upscale`` times
    larger. Gray is computed as RGB and averaged. Alpha is enlarged by bicubic interpolation, and
    colours under fully transparent pixels do not bleed into visible ones. Images that do not fit
    in memory are computed in tiles that overlap as far as the network looks.

    Args:
        model: a weights file, or a network; a network stays where it is unless ``device`` says
            otherwise, and keeps its training mode.
        device: "cuda", "cuda:1", "mps", "cpu"; "auto" is the best there is.
        precision: of the computation; "auto" is fp32. A tile whose result in bf16 or fp16 is not
            finite is computed again in fp32.
        tile: side of a tile in pixels of the input, without the overlap; 0 is the whole image at
            once; "auto" makes tiles only where memory asks for them.

    Raises:
        WeightsError: the weights cannot be used.
        OptionError: an unknown device or precision, or a negative tile.
    """

    def __init__(
        self,
        model: str | Path | nn.Module,
        device: str | torch.device = "auto",
        precision: Precision = "auto",
        tile: int | Literal["auto"] = "auto",
    ) -> None:
        if precision != "auto" and precision != "fp32" and precision not in _DTYPES:
            raise OptionError(f"must be auto, fp32, bf16 or fp16, got {precision}.", ("precision",))
        if tile != "auto" and (not isinstance(tile, int) or tile < 0):
            raise OptionError(f"must be auto, 0 or a number of pixels, got {tile}.", ("tile",))
        if isinstance(model, nn.Module):
            parameter = next(model.parameters(), torch.zeros(()))
            self.device = parameter.device if device == "auto" else choose_device(device)
            self.net = model.to(self.device)
        else:
            self.device = choose_device(device)
            self.net = load_network(model, self.device)
        self.precision: Precision = precision
        self.tile: int | Literal["auto"] = tile
        self.upscale = network_scale(self.net)
        self._channels = input_channels(self.net)
        if self._channels not in (1, 3):
            raise AdasrError(
                f"{type(self.net).__name__} takes images of {self._channels} channels. "
                "Give a network of RGB or gray images."
            )
        self._multiple = int(getattr(self.net, "size_multiple", 1))
        self._minimum = int(getattr(self.net, "size_minimum", 1))
        self._overlap: int | None = None
        self._bytes_per_pixel: float | None = None

    def __call__(
        self, image: np.ndarray, on_tile: Callable[[int, int], None] | None = None
    ) -> np.ndarray:
        """``image`` enlarged; see the class.

        Args:
            image: (H, W) or (H, W, C).
            on_tile: called after each tile with how many are done and how many there are.

        Raises:
            ValueError: not such an array.
            AdasrError: the network's output is not finite, or memory does not hold one small tile.
        """
        _check(image)
        pixels = image[..., None] if image.ndim == 2 else image
        colours, alpha = split_alpha(pixels)
        if alpha is not None:
            colours = extend_visible(colours, alpha)
        with evaluation_mode(self.net), torch.inference_mode():
            larger = self._colours(colours, on_tile)
        if alpha is not None:
            larger = np.dstack([larger, enlarge_alpha(alpha, self.upscale)])
        return larger[..., 0] if image.ndim == 2 else larger

    def _colours(
        self, colours: np.ndarray, on_tile: Callable[[int, int], None] | None
    ) -> np.ndarray:
        """(H, W, 1 or 3) enlarged, with smaller tiles where memory runs out."""
        height, width, _ = colours.shape
        images = pad_to_multiple(self._batch(colours), self._multiple, self._minimum)
        tile = self._tile_for(images)
        while True:
            try:
                larger = self._tiled(images, tile, colours, on_tile)
                return larger[: height * self.upscale, : width * self.upscale]
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
            if self.device.type == "cuda":
                torch.cuda.empty_cache()
            before = tile or max(images.shape[-2:])
            if before <= _SMALLEST_TILE:
                raise AdasrError(
                    f"Memory of {self.device} does not hold a tile of {before} pixels. "
                    "Close other programs, or use device cpu."
                )
            tile = max(_SMALLEST_TILE, before // 2)

    def _batch(self, colours: np.ndarray) -> Tensor:
        """(H, W, 1 or 3) as the network takes it: RGB, or each plane as one gray image."""
        images = to_tensor(colours)[None]
        if self._channels == 1:
            return images.transpose(0, 1)
        return images if images.shape[1] == 3 else images.expand(-1, 3, -1, -1)

    def _tiled(
        self,
        images: Tensor,
        tile: int,
        colours: np.ndarray,
        on_tile: Callable[[int, int], None] | None,
    ) -> np.ndarray:
        height, width = images.shape[-2:]
        whole = tile == 0 or tile >= max(height, width)
        overlap = 0 if whole else self._needed_overlap()
        tiles = grid(height, width, 0 if whole else tile, overlap, self._multiple)
        channels = colours.shape[2]
        larger = np.empty((height * self.upscale, width * self.upscale, channels), colours.dtype)
        for done, part in enumerate(tiles, 1):
            output = part.keep(self._finite(part.read(images)), self.upscale)
            if self._channels == 1:
                output = output.transpose(0, 1)
            if channels == 1:
                output = output.mean(dim=1, keepdim=True)
            top, left = part.rows.start * self.upscale, part.columns.start * self.upscale
            depth = colours.dtype if colours.dtype.kind == "u" else np.float32
            kept = to_image(output, depth)
            larger[top : top + kept.shape[0], left : left + kept.shape[1]] = kept
            if on_tile is not None:
                on_tile(done, len(tiles))
        return larger

    def _finite(self, images: Tensor) -> Tensor:
        """The network's output in float32, every value finite."""
        output = self._run(images, self.precision)
        if not output.isfinite().all() and self.precision in _DTYPES:
            output = self._run(images, "fp32")
        if not output.isfinite().all():
            raise AdasrError(
                "The network's output is not finite (NaN or infinity), also in fp32. "
                "Its weights are damaged, or it diverged in training: use another checkpoint."
            )
        expected = tuple(side * self.upscale for side in images.shape[-2:])
        if tuple(output.shape[-2:]) != expected:
            raise AdasrError(
                f"{type(self.net).__name__} made {tuple(output.shape[-2:])} pixels of "
                f"{tuple(images.shape[-2:])}, not {expected}. Its scale is not {self.upscale}."
            )
        return output

    def _run(self, images: Tensor, precision: Precision) -> Tensor:
        """(N, C, h, w) on any device to (N, C, h * upscale, w * upscale), float32."""
        dtype = _DTYPES.get(precision)
        context = contextlib.nullcontext() if dtype is None else _autocast(self.device, dtype)
        with context:
            return self.net(images.to(self.device)).float()

    def _needed_overlap(self) -> int:
        if self._overlap is None:
            self._overlap = needed_overlap(
                lambda x: self._run(x, "fp32"), self._channels, self._multiple
            )
        return self._overlap

    def _tile_for(self, images: Tensor) -> int:
        """The tile's side for this image, 0 for the whole."""
        if self.tile != "auto":
            return self.tile
        if self._bytes_per_pixel is None:
            side = math.ceil(max(_SMALLEST_TILE, self._minimum) / self._multiple) * self._multiple
            probe = torch.zeros(1, self._channels, side, side)
            self._bytes_per_pixel = bytes_per_pixel(
                self.net, lambda x: self._run(x, self.precision), probe
            )
        batch, _, height, width = images.shape
        share = _MEMORY_SHARE * available_bytes(self.device)
        pixels = share / (self._bytes_per_pixel * batch)
        if height * width <= pixels:
            return 0
        return max(_SMALLEST_TILE, int(math.sqrt(pixels)) - 2 * self._needed_overlap())


def choose_device(name: str | torch.device = "auto") -> torch.device:
    """The device called ``name``; "auto" is a GPU where there is one.

    Raises:
        OptionError: there is no such device here.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        first = str(error).strip().partition("\n")[0]
        raise OptionError(
            f"cannot be used here: {name} ({first}).", ("device",), "Use auto or cpu."
        ) from None
    return device


def _check(image: np.ndarray) -> None:
    if image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] not in (1, 2, 3, 4)):
        raise ValueError(f"expected an image of (H, W) or (H, W, 1 to 4), got {image.shape}")
    if 0 in image.shape:
        raise ValueError(f"the image is empty: {image.shape}")
    if image.dtype in (np.uint8, np.uint16):
        return
    if image.dtype.kind != "f":
        raise ValueError(f"expected uint8, uint16 or float values, got {image.dtype}")
    low, high = float(image.min()), float(image.max())
    if not (low >= 0.0 and high <= 1.0):  # also for NaN
        raise ValueError(f"float values must lie in [0, 1], got {low:g} to {high:g}")


def _autocast(device: torch.device, dtype: torch.dtype) -> torch.autocast:
    return torch.autocast(device.type, dtype=dtype)
