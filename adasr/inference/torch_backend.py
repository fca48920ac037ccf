"""A network of torch as a backend: its precision, its memory, never a value that is not finite."""

from __future__ import annotations

import contextlib
import math
import threading
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor, nn

from ..errors import AdasrError
from ..weights import load_network, network_scale
from ..weights.build import evaluation_mode, input_channels
from .backend import check_output, is_finite
from .device import DTYPES, choose_device, choose_precision
from .memory import available_bytes, bytes_per_pixel

_PROBE_SIDE = 32


class TorchBackend:
    """A network of torch; see ``backend.Backend``.

    Args:
        model: a weights file, or a network; a network stays where it is unless ``device`` says
            otherwise, and keeps its training mode.
        device: "cuda", "cuda:1", "mps", "cpu"; "auto" is the best there is.
        precision: of the computation; "auto" is the fastest that the device has instructions for.

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
    ) -> None:
        if isinstance(model, nn.Module):
            parameter = next(model.parameters(), torch.zeros(()))
            self.device = parameter.device if device == "auto" else choose_device(device)
            self.net = model.to(self.device)
        else:
            self.device = choose_device(device)
            self.net = load_network(model, self.device)
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

    def __call__(self, images: Tensor) -> Tensor:
        """As ``backend.Backend``."""
        with self._running():
            output = self._run(images, self.precision)
            if self.precision in DTYPES and not is_finite(output):
                output = self._run(images, "fp32")
        return check_output(output, images, self.upscale)

    def probe(self, images: Tensor) -> Tensor:
        """As ``backend.Backend``."""
        with self._running():
            return self._run(images, "fp32")

    def bytes_per_pixel(self) -> float:
        """As ``backend.Backend``; measured once."""
        if self._bytes_per_pixel is None:
            side = math.ceil(max(_PROBE_SIDE, self.minimum) / self.multiple) * self.multiple
            probe = torch.zeros(1, self.channels, side, side)
            with self._running():
                self._bytes_per_pixel = bytes_per_pixel(
                    self.net, lambda x: self._run(x, self.precision), probe
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

    def _run(self, images: Tensor, precision: str) -> Tensor:
        dtype = DTYPES.get(precision)
        lowered = torch.autocast(self.device.type, dtype=dtype, enabled=dtype is not None)
        with lowered:
            return self.net(images.to(self.device)).float().cpu()
