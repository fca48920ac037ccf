"""A network that enlarges images, as a function: the library's face and the commands' engine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, Self, overload

import numpy as np
from PIL import Image
from torch import Tensor, nn

from ..data.images import read_image
from ..data.rows import ArrayRows, ArraySink
from ..errors import AdasrError, OptionError
from .backend import Backend
from .batch import upscale_stack
from .channels import check_image, check_values
from .device import choose_device as choose_device
from .ensemble import SelfEnsemble
from .forms import array_of_picture, arrays_of_tensor, picture_of_array, tensor_of_arrays
from .memory import is_out_of_memory
from .onnx_backend import OnnxBackend, is_onnx
from .rescale import RescaledSink, rescale
from .rows import Rows, Sink
from .tiler import OnTile, Tiler
from .torch_backend import TorchBackend

Precision = Literal["auto", "fp32", "bf16", "fp16"]
_SCALES = (0.1, 32)


class Upscaler:
    """A network that enlarges images, as a function.

    ``up(image)`` takes

    * an array (H, W) or (H, W, C), C in {1, 2, 3, 4} (gray, gray and alpha, RGB, RGBA), uint8,
      uint16 or float in [0, 1];
    * a Pillow image; its mode is kept (a palette becomes RGB, 1-bit gray), and its ICC profile;
    * a tensor (C, H, W) or (N, C, H, W) of the same values, on any device;
    * the path of an image file, which gives an array

    and returns the same kind, ``upscale`` times as large. Gray is computed as RGB and averaged.
    Alpha is enlarged by bicubic interpolation, and colours under fully transparent pixels do not
    bleed into visible ones. Images that do not fit in memory are computed in tiles that overlap as
    far as the network looks (``tiler.Tiler`` tells how exact that is); ``stream`` takes images that
    memory does not hold. Safe to call from several threads, which take turns at the network. As a
    context manager it is closed at the end.

    Args:
        model: a weights file, a network, or a backend. A network stays where it is unless
            ``device`` says otherwise, and keeps its training mode. A backend brings its own device
            and precision.
        device: "cuda", "cuda:1", "mps", "cpu"; "auto" is the best there is.
        precision: of the computation; "auto" is bf16 or fp16 where the device has instructions for
            them, else fp32. What is not finite in bf16 or fp16 is computed again in fp32.
        tile: side of a tile in pixels of the input, without the overlap; 0 is the whole image at
            once; "auto" makes tiles only where memory asks for them.
        scale: of the output, e.g. 2.5; the network's own if None. Another one is resampled from
            the network's output with an antialiased Lanczos kernel.
        self_ensemble: whether to average over the eight flips and turns: 8 times as slow.
        compile: whether to compile the parts of the network that are faster for it (TorchInductor):
            a minute before the first image.
        backend: what runs the network: "torch" or "onnxruntime"; an ONNX file is always run by the
            latter.

    Raises:
        WeightsError: the weights cannot be used.
        OptionError: an unknown device, precision or backend, a negative tile, a scale out of range.
    """

    def __init__(
        self,
        model: str | Path | nn.Module | Backend,
        device: Any = "auto",
        precision: Precision = "auto",
        tile: int | Literal["auto"] = "auto",
        *,
        scale: float | None = None,
        self_ensemble: bool = False,
        compile: bool = False,
        backend: Literal["torch", "onnxruntime"] = "torch",
    ) -> None:
        if scale is not None and not _SCALES[0] <= scale <= _SCALES[1]:
            low, high = _SCALES
            raise OptionError(f"must lie in {low:g} to {high:g}, got {scale:g}.", ("scale",))
        self._runner = _runner(model, device, precision, compile, backend)
        self.backend: Backend = SelfEnsemble(self._runner) if self_ensemble else self._runner
        self._tiler = Tiler(self.backend, tile)
        self.device = self.backend.device
        self.precision = self.backend.precision
        self.upscale = self.backend.upscale if scale is None else scale
        self._closed = False

    @property
    def net(self) -> nn.Module:
        """The network, where torch runs it.

        Raises:
            AttributeError: something else does.
        """
        return self._runner.net  # pyright: ignore[reportAttributeAccessIssue]

    @property
    def tile(self) -> int | str:
        """Side of a tile, 0 for the whole image, or "auto"."""
        return self._tiler.tile

    @property
    def tile_error(self) -> float:
        """What cutting an image into tiles changes in a value of the output, in [0, 1].

        0 where the network looks no further than tiles overlap; else measured on noise and edges.
        """
        return self._tiler.reach.error

    @property
    def overlap(self) -> int:
        """Pixels of the input that are read around a tile, as far as the network looks."""
        return self._tiler.reach.overlap

    def output_shape(self, shape: tuple[int, int, int]) -> tuple[int, int, int]:
        """(H, W, C) of what an image of ``shape`` becomes."""
        height, width = (max(1, round(side * self.upscale)) for side in shape[:2])
        return height, width, shape[2]

    @overload
    def __call__(self, image: np.ndarray | str | Path, on_tile: OnTile | None = ...) -> np.ndarray:
        pass

    @overload
    def __call__(self, image: Image.Image, on_tile: OnTile | None = ...) -> Image.Image:
        pass

    @overload
    def __call__(self, image: Tensor, on_tile: OnTile | None = ...) -> Tensor:
        pass

    def __call__(self, image: Any, on_tile: OnTile | None = None) -> Any:
        """``image`` enlarged; see the class.

        Args:
            image: an array, a Pillow image, a tensor or the path of a file.
            on_tile: called after each tile with how many are done and how many there are.

        Raises:
            ValueError: no such image.
            ImageReadError: a file that cannot be read.
            AdasrError: the network's output is not finite, memory does not hold one small tile, or
                the upscaler is closed.
        """
        if isinstance(image, str | Path):
            image = read_image(image)
        if isinstance(image, Image.Image):
            return picture_of_array(self._array(array_of_picture(image), on_tile), image)
        if isinstance(image, Tensor):
            larger = [self._array(part, on_tile) for part in arrays_of_tensor(image)]
            return tensor_of_arrays(larger, image)
        if not isinstance(image, np.ndarray):  # None is what cv2.imread gives for a missing file
            kind = type(image).__name__
            raise ValueError(f"expected an array, a Pillow image, a tensor or a path, got {kind}")
        return self._array(image, on_tile)

    def batch(self, images: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Arrays as ``up(image)`` takes them, each enlarged; small ones of one shape in one pass.

        Raises:
            ValueError, AdasrError: as a call.
        """
        self._check_open()
        alike: dict[Any, list[int]] = {}
        for number, image in enumerate(images):
            check_image(image.shape, image.dtype)
            check_values(image)
            alike.setdefault((image.shape, image.dtype), []).append(number)
        done: dict[int, np.ndarray] = {}
        for numbers in alike.values():
            count = self._at_once(images[numbers[0]])
            for first in range(0, len(numbers), count):
                group = numbers[first : first + count]
                done.update(zip(group, self._stack([images[n] for n in group]), strict=True))
        return [done[number] for number in range(len(images))]

    def stream(self, source: Rows, sink: Sink, on_tile: OnTile | None = None) -> None:
        """An image larger than memory, read and written in bands of rows.

        Args:
            source: (H, W, C) in ``shape``, its ``dtype``, and ``rows(first, end)``.
            sink: ``write(rows)`` is given the rows of ``output_shape(source.shape)``, top to
                bottom.
            on_tile: as in a call.

        Raises:
            ValueError, AdasrError: as a call; and what the source and the sink raise.
        """
        self._check_open()
        check_image(source.shape, np.dtype(source.dtype))
        height, width, channels = source.shape
        size, own = self.output_shape(source.shape)[:2], self.backend.upscale
        made = (height * own, width * own, channels)
        if size != made[:2]:
            sink = RescaledSink(sink, made, size)
        self._tiler.run(source, sink, on_tile)

    def file(self, source: str | Path, target: str | Path, **options: Any) -> Path:
        """An image file enlarged into another one, with its metadata; see ``upscale_file``."""
        from .folder.single import upscale_file

        return upscale_file(self, source, target, **options)

    def close(self) -> None:
        """Give back the memory of the network; further calls raise."""
        self._closed = True
        self.backend.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _check_open(self) -> None:
        if self._closed:
            raise AdasrError("This Upscaler is closed. Make another one, or use it before.")

    def _array(self, image: np.ndarray, on_tile: OnTile | None) -> np.ndarray:
        check_image(image.shape, image.dtype)
        check_values(image)
        source = ArrayRows(image[..., None] if image.ndim == 2 else image)
        sink = ArraySink(self.output_shape(source.shape), image.dtype)
        self.stream(source, sink, on_tile)
        return sink.image[..., 0] if image.ndim == 2 else sink.image

    def _at_once(self, image: np.ndarray) -> int:
        """How many images like ``image`` go into one pass."""
        if self.tile != "auto":
            return 1
        pixels = 0.25 * self.backend.available_bytes() / self.backend.bytes_per_pixel()
        planes = 3 if self.backend.channels == 1 else 1
        area = _BATCH_AREA.get(self.device.type, _OTHER_BATCH_AREA)
        return max(1, int(min(pixels, area) / (planes * image.shape[0] * image.shape[1])))

    def _stack(self, images: list[np.ndarray]) -> list[np.ndarray]:
        if len(images) > 1:
            flat = images[0].ndim == 2
            try:
                larger = upscale_stack(self.backend, [i[..., None] if flat else i for i in images])
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                larger = []
            if larger:
                size = self.output_shape(images[0][..., None].shape if flat else images[0].shape)
                larger = [i if i.shape == size else rescale(i, size[:2]) for i in larger]
                return [i[..., 0] if flat else i for i in larger]
            self.backend.release()
        return [self._array(image, None) for image in images]


# Pixels of the input in one pass of several images: beyond it a network is no faster, and on a CPU,
# whose caches its features then leave, it is slower (SRResNet: 11 ms an image of 64x64 up to this,
# 15 ms alone and 22 ms at four times this).
_BATCH_AREA = {"cpu": 256 * 256}
_OTHER_BATCH_AREA = 512 * 512


def _runner(
    model: Any, device: Any, precision: str, compile: bool, backend: str
) -> TorchBackend | Backend:
    if not isinstance(model, nn.Module | str | Path):
        return model
    if not isinstance(model, nn.Module) and runner_of(model, backend) == "onnxruntime":
        return OnnxBackend(model, device, precision)
    if backend == "torch":
        return TorchBackend(model, device, precision, compile)
    hint = "Use torch or onnxruntime (with an ONNX file)."
    raise OptionError(f"unknown backend '{backend}' for this model.", ("backend",), hint)


def runner_of(model: str | Path, backend: str | None = None) -> Literal["torch", "onnxruntime"]:
    """What runs a file: ONNX Runtime where it is asked for, and always an ONNX file."""
    return "onnxruntime" if backend == "onnxruntime" or is_onnx(model) else "torch"
