"""Any backend over any rows: bands of tiles, from the top of an image to its bottom."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..data.images import to_tensor
from ..errors import AdasrError, OptionError
from .backend import Backend
from .channels import check_values, enlarge_alpha, extend_visible, split_alpha
from .feather import Blender
from .memory import is_out_of_memory
from .receptive_field import LIMIT, Reach, measure_reach
from .rows import Rows, Sink
from .tiles import Span, Tile, padded, reflected, spans
from .tilesize import SMALLEST_TILE, TileSize, auto_size

OnTile = Callable[[int, int], None]

_FEATHER = 8
_ALPHA_MARGIN = 4  # bicubic interpolation looks at two pixels on each side


class Tiler:
    """Runs a backend on images of any size.

    An image is read in bands of rows, each with the overlap that the network needs, cut into tiles,
    and written band by band: memory depends on the image's width, not on its height. The whole
    image is one tile. Where memory runs out, tiles are halved from there on.

    Where the network looks no further than the overlap (``receptive_field``), tiles give what the
    whole image gives (in fp32 within 1/255). Others are blended linearly over up to 16 pixels:

    * deep networks of convolutions, whose far pixels change next to nothing: 1/255;
    * many layers of attention in windows (SwinIR), likewise: tiles lie on the grid of windows;
    * networks that take averages or attention over the whole image (HAT, DAT, RealPLKSR's group
      normalization) get those of a tile instead. No overlap makes that exact. With random weights
      HAT and DAT stay within 3/255, 0.2/255 in the mean, at tiles of 48; ``reach.error`` is what
      was measured for the network at hand. Larger tiles are nearer to the whole.

    Args:
        backend: the network.
        tile: side of a tile in pixels of the input, without the overlap; 0 is the whole image;
            "auto" goes by the free memory.

    Raises:
        OptionError: a negative tile, or no number.
    """

    def __init__(self, backend: Backend, tile: int | str = "auto") -> None:
        if tile != "auto" and (not isinstance(tile, int) or tile < 0):
            raise OptionError(f"must be auto, 0 or a number of pixels, got {tile}.", ("tile",))
        self.backend, self.tile = backend, tile
        self._reach: Reach | None = None
        self._lock = threading.Lock()

    @property
    def reach(self) -> Reach:
        """How far the network looks; measured when first asked for."""
        with self._lock:
            if self._reach is None:
                backend = self.backend
                try:
                    self._reach = measure_reach(backend.probe, backend.channels, backend.multiple)
                except (RuntimeError, MemoryError) as error:
                    if is_out_of_memory(error):
                        raise no_memory(backend.device, LIMIT) from None
                    raise
            return self._reach

    def run(self, source: Rows, sink: Sink, on_tile: OnTile | None = None) -> None:
        """``source`` enlarged by ``backend.upscale`` into ``sink``, alpha too.

        Args:
            source: (H, W, C), C in {1, 2, 3, 4}.
            sink: is given (H * upscale, W * upscale, C) of the same type.
            on_tile: called after each tile with how many are done and how many there are.

        Raises:
            ValueError: float values outside [0, 1].
            AdasrError: the network's output is not finite, or memory does not hold one small tile.
        """
        with torch.inference_mode():
            _Run(self, source, sink, on_tile).all()

    def size_for(self, height: int, width: int, source: Rows) -> TileSize:
        """The tiles of an image of ``height`` x ``width`` padded pixels."""
        if self.tile == "auto":
            return auto_size(self.backend, lambda: self.reach, height, width, source)
        side = int(self.tile) or max(height, width)
        return TileSize(side, side)


@dataclass
class _Progress:
    on_tile: OnTile | None
    done: int = 0
    left: int = 0

    def step(self) -> None:
        self.done, self.left = self.done + 1, self.left - 1
        if self.on_tile is not None:
            self.on_tile(self.done, self.done + self.left)


class _Run:
    """One image on its way through a tiler."""

    def __init__(self, tiler: Tiler, source: Rows, sink: Sink, on_tile: OnTile | None) -> None:
        self.backend, self.tiler = tiler.backend, tiler
        self.source, self.sink = source, sink
        self.height, self.width, channels = source.shape
        self.has_alpha = channels in (2, 4)
        self.colours = channels - self.has_alpha
        multiple, minimum = self.backend.multiple, self.backend.minimum
        self.padded_height = padded(self.height, multiple, minimum)
        self.padded_width = padded(self.width, multiple, minimum)
        self.rows = reflected(self.height, self.padded_height).numpy()
        self.columns = reflected(self.width, self.padded_width).numpy()
        self.progress = _Progress(on_tile)
        self.size = tiler.size_for(self.padded_height, self.padded_width, source)
        self.whole = self._is_whole()
        self.overlap = 0 if self.whole else tiler.reach.overlap
        self.feather = self._feather()
        self.blender = Blender(
            self.padded_height, self.padded_width, self.colours, self.backend.upscale, self.feather
        )

    def all(self) -> None:
        """Every band, from the top."""
        bands, columns = self._plan(0)
        while bands:
            try:
                finished = self._band(bands[0], columns)
            except (RuntimeError, MemoryError) as error:  # the latter is NumPy's
                if not is_out_of_memory(error):
                    raise
                finished = None
            if finished is None:  # outside the except, which keeps the failed tensors alive
                self._shrink()
                bands, columns = self._plan(bands[0].start)
                continue
            if len(finished):
                self.sink.write(finished)
            bands = bands[1:]

    def _plan(self, first: int) -> tuple[list[Span], list[Span]]:
        multiple = self.backend.multiple
        bands = spans(self.padded_height, self.size.rows, self.overlap, multiple, first)
        # A network that asks for large images has small ones padded by more than a tile.
        bands = [band for band in bands if band.start - self.feather < self.height]
        columns = spans(self.padded_width, self.size.columns, self.overlap, multiple)
        self.progress.left = len(bands) * len(columns)
        return bands, columns

    def _is_whole(self) -> bool:
        return self.size.rows >= self.padded_height and self.size.columns >= self.padded_width

    def _feather(self) -> int:
        """0 for tiles that are exact, else what fits the overlap and the smallest tile to come."""
        if self.whole or self.tiler.reach.is_exact:
            return 0
        smallest = min(SMALLEST_TILE, self.size.rows, self.size.columns)
        multiple = self.backend.multiple
        smallest = max(multiple, smallest // multiple * multiple)
        return min(_FEATHER, self.overlap // 2, smallest // 4)

    def _shrink(self) -> None:
        self.backend.release()
        before = min(max(self.size), max(self.padded_height, self.padded_width))
        if before <= SMALLEST_TILE:
            raise no_memory(self.backend.device, before)
        side = max(SMALLEST_TILE, before // 2)
        self.size = TileSize(min(self.size.rows, side), side)
        if self.whole:
            self.whole, self.overlap = False, self.tiler.reach.overlap
            self.feather = self._feather()
            self.blender = Blender(
                self.padded_height,
                self.padded_width,
                self.colours,
                self.backend.upscale,
                self.feather,
            )

    def _band(self, band: Span, columns: list[Span]) -> np.ndarray:
        """The finished rows of a band, (n, W * upscale, C)."""
        scale = self.backend.upscale
        # The visible pixel nearest to a hidden one at a corner is as far away as that corner.
        margin = math.ceil(math.sqrt(2) * self.overlap) + _ALPHA_MARGIN if self.has_alpha else 0
        first = max(0, band.read_start - margin)
        block = self._read(first, min(self.padded_height, band.read_stop + margin))
        colours, alpha = split_alpha(block)
        if alpha is not None:
            colours = extend_visible(colours, alpha)
        colours = colours[band.read_start - first : band.read_stop - first]
        if self.padded_width > self.width:
            colours = colours[:, self.columns]
        # What goes into the sink: from ``top`` on, the padding left out.
        top = max(0, band.start - self.feather)
        bottom = band.stop - self.feather if band.stop < self.padded_height else self.height
        bottom = max(top, min(bottom, self.height))
        finished = self._tiles(band, columns, colours, (bottom - top) * scale)
        if alpha is not None:
            larger = enlarge_alpha(alpha[: max(0, self.height - first)], scale)
            larger = larger[(top - first) * scale : (bottom - first) * scale]
            finished = np.dstack([finished, larger])
        return finished

    def _read(self, first: int, stop: int) -> np.ndarray:
        """Rows of the padded image, (stop - first, W, C)."""
        index = self.rows[first:stop]
        low, high = int(index.min()), int(index.max()) + 1
        block = self.source.rows(low, high)
        check_values(block)
        if high - low == stop - first and stop <= self.height:
            return block
        return block[index - low]

    def _tiles(
        self, band: Span, columns: list[Span], colours: np.ndarray, height: int
    ) -> np.ndarray:
        """The band's tiles put together, (height, W * upscale, colours)."""
        scale, dtype = self.backend.upscale, np.dtype(self.source.dtype)
        if self.feather:
            self.blender.begin(band)
        band_of_tiles = np.empty(
            (0 if self.feather else height, self.width * scale, self.colours), dtype
        )
        done = self.progress.done
        try:
            for part in columns:
                tile = Tile(band, part)
                output = self.backend(self._images(colours[:, part.read_start : part.read_stop]))
                kept = self._planes(tile.keep(output, scale, self.feather))
                if self.feather:
                    self.blender.add(band, part, kept.permute(1, 2, 0).numpy())
                else:
                    left = part.start * scale
                    target = band_of_tiles[:, left : left + kept.shape[2]]
                    target[...] = quantized(kept[:, :height, : target.shape[1]], dtype)
                self.progress.step()
        except (RuntimeError, MemoryError):
            self.progress.done = done
            raise
        if not self.feather:
            return band_of_tiles
        sums = self.blender.finish(band)[:height, : self.width * scale]
        return quantized(torch.from_numpy(sums).permute(2, 0, 1), dtype)

    def _images(self, colours: np.ndarray) -> Tensor:
        """(h, w, 1 or 3) as the network takes it: RGB, or each plane as one gray image."""
        images = to_tensor(colours)[None]
        if self.backend.channels == 1:
            return images.transpose(0, 1)
        return images if images.shape[1] == 3 else images.expand(-1, 3, -1, -1)

    def _planes(self, output: Tensor) -> Tensor:
        """The network's output as (colours, h, w)."""
        if self.backend.channels == 1:
            return output[:, 0]
        return output[0].mean(dim=0, keepdim=True) if self.colours == 1 else output[0]


def no_memory(device: torch.device, side: int) -> AdasrError:
    """Not even a small tile fits."""
    return AdasrError(
        f"Memory of {device} does not hold a tile of {side} pixels. "
        "Close other programs, or use device cpu."
    )


def quantized(planes: Tensor, dtype: np.dtype) -> np.ndarray:
    """(C, h, w) clamped to [0, 1] as (h, w, C) of ``dtype``, rounded to its steps."""
    planes = planes.clamp(0, 1)
    if dtype.kind == "u":
        planes = planes.mul_(float(np.iinfo(dtype).max)).round_()
    return planes.permute(1, 2, 0).numpy().astype(dtype)
