"""A network of torch as a backend: its precision, its memory, never a value that is not finite."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor, nn

from ..errors import AdasrError
from ..memory import free_memory, keep_freed_memory
from ..weights import load_network, network_scale
from ..weights.build import evaluation_mode, input_channels
from .backend import check_output, is_finite
from .device import DTYPES, choose_device, choose_precision
from .lean import Forward, Lean, lowered
from .memory import available_bytes, bytes_per_pixel
from .tiles import padded

_PROBE_SIDE = 32
_KEPT = 256 * 2**20  # bytes; the tensors of a tile of 256 x 256 fit


class TorchBackend:
    """A network of torch; see ``backend.Backend``.

    Images go in as channels last, which convolutions on CPUs and on tensor cores are made for. On a
    CPU the process keeps up to 256 MiB of freed memory (``memory.keep_freed_memory``).

    Args:
        model: a weights file, or a network; a network stays where it is unless ``device`` says
            otherwise, and keeps its training mode. Weights that change later count.
        device: "cuda", "cuda:1", "mps", "cpu"; "auto" is the best there is.
        precision: of the computation; "auto" is the fastest that the device has instructions for.
        compile: whether to compile the parts of the network that are faster for it, with
            TorchInductor, which takes a minute and needs a C++ compiler on a CPU.

    Raises:
        WeightsError: the weights cannot be used.
        OptionError: an unknown device or precision.
    """

    name = "torch"

    def __init__(
        self,
        model: str | Path | nn.Module,
        device: str | torch.device = "auto",
        precision: str = "auto",
        compile: bool = False,
    ) -> None:
        if isinstance(model, nn.Module):
            parameter = next(model.parameters(), torch.zeros(()))
            self.device = parameter.device if device == "auto" else choose_device(device)
            self.net = model.to(self.device)
        else:
            self.device = choose_device(device)
            self.net = load_network(model, self.device)
        if self.device.type == "cpu":
            keep_freed_memory(min(_KEPT, free_memory() // 8))
        self.precision = choose_precision(precision, self.device)
        self.upscale = network_scale(self.net)
        self.channels = input_channels(self.net)
        if self.channels not in (1, 3):
            raise AdasrError(
                f"{type(self.net).__name__} takes images of {self.channels} channels. "
                "Give a network of RGB or gray images."
            )
        self.multiple = int(getattr(self.net, "size_multiple", 1))
        self.minimum = int(getattr(self.net, "size_minimum", 1))
        self._bytes_per_pixel: float | None = None
        self._lock = threading.RLock()
        self._dtype = DTYPES.get(self.precision)
        self._full = Lean(self.net, self.device)
        fast = self.net
        if self._dtype is not None and not isinstance(model, nn.Module):
            fast = self._lowered(self._dtype)
        self._fast = Lean(fast, self.device, compile)

    def __call__(self, images: Tensor) -> Tensor:
        """As ``backend.Backend``."""
        with self._running():
            output = self._run(self._fast, images, self._dtype)
            if self._dtype is not None and not is_finite(output):
                output = self._run(self._full, images, None)
        return check_output(output, images, self.upscale)

    def probe(self, images: Tensor) -> Tensor:
        """As ``backend.Backend``."""
        with self._running():
            return self._run(self._full, images, None)

    def bytes_per_pixel(self) -> float:
        """As ``backend.Backend``; measured once."""
        with self._running():
            if self._bytes_per_pixel is None:
                # What is enlarged in blocks takes the same memory whatever the image's size.
                part = self._full.features if self._full.in_blocks else self._full
                self._bytes_per_pixel = bytes_per_pixel(
                    self.net, lambda x: self._run(part, x, self._dtype), self._probe_image()
                )
            return self._bytes_per_pixel

    def available_bytes(self) -> int:
        """As ``backend.Backend``."""
        return available_bytes(self.device)

    def release(self) -> None:
        """As ``backend.Backend``."""
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    def close(self) -> None:
        """As ``backend.Backend``."""
        self.release()

    @contextlib.contextmanager
    def _running(self) -> Iterator[None]:
        # The modes of modules are state, so two threads must not change them at a time.
        with self._lock, evaluation_mode(self.net), torch.inference_mode():
            yield

    def _run(self, forward: Forward, images: Tensor, dtype: torch.dtype | None) -> Tensor:
        placed = images.to(self.device, memory_format=torch.channels_last)
        if dtype is None:
            return forward(placed).float().cpu()
        with torch.autocast(self.device.type, dtype=dtype):
            return forward(placed).float().cpu()

    def _lowered(self, dtype: torch.dtype) -> nn.Module:
        """The network with weights of ``dtype``, if that changes nothing against autocast."""
        probe = torch.rand(self._probe_image().shape, generator=torch.Generator().manual_seed(0))
        try:
            copied = lowered(self.net, dtype).eval()
            with self._running():
                expected = self._run(self.net, probe, dtype)
                same = torch.allclose(self._run(copied, probe, dtype), expected, atol=0.25 / 255)
        except (RuntimeError, TypeError):  # a network that looks at its weights' type
            return self.net
        return copied if same else self.net

    def _probe_image(self) -> Tensor:
        side = padded(_PROBE_SIDE, self.multiple, self.minimum)
        return torch.zeros(1, self.channels, side, side)
