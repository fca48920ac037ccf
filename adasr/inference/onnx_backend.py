"""An ONNX file as a backend: the same tiles and pixels, computed by ONNX Runtime."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..errors import AdasrError, OptionError
from .backend import check_output, is_finite
from .memory import available_bytes
from .onnx_session import (
    choose_provider,
    largest_step,
    open_session,
    read_interface,
    reason,
    run,
)

_PROBE_SIDE = 32
# Besides an operation's input and output, features wait for skip connections, and the runtime's
# arena keeps what it had.
_SLACK = 2.5
# Far above any pixel, so that what it changes far away is not lost in rounding.
_LARGE = 1000.0


class OnnxBackend:
    """A network in an ONNX file, run by ONNX Runtime; see ``backend.Backend``.

    Files of ``adasr export`` say in their metadata what they take; of others, scale and sizes are
    found by running them.

    Args:
        model: an ``.onnx`` file.
        device: "cpu", "cuda", "cuda:1"; "auto" is CUDA where the runtime has it, else the CPU.
        precision: "auto", or what the file computes in.

    Raises:
        WeightsError: the file cannot be used.
        OptionError: ONNX Runtime has no such device here, or the file another precision.
        UnavailableError: onnxruntime is not installed.
    """

    name = "onnxruntime"

    def __init__(
        self, model: str | Path, device: str | torch.device = "auto", precision: str = "auto"
    ) -> None:
        self.path = Path(model)
        self.device, self._provider = choose_provider(device)
        self._session = open_session(self.path, self._provider)
        self._interface = read_interface(self._session, self.path)
        self.precision = self._interface.precision
        if precision not in ("auto", self.precision):
            raise OptionError(
                f"is what the ONNX file says ({self.precision}), not {precision}.",
                ("precision",),
                "Use auto, or another file: adasr export --fp16 writes fp16, without it fp32.",
            )
        self.upscale, self.channels = self._interface.upscale, self._interface.channels
        self.multiple, self.minimum = self._interface.multiple, self._interface.minimum
        self._bytes_per_pixel: float | None = None

    @property
    def metadata(self) -> dict[str, str]:
        """What the file says of itself."""
        return dict(self._session.get_modelmeta().custom_metadata_map)

    def __call__(self, images: Tensor) -> Tensor:
        """As ``backend.Backend``."""
        output = self._run(images)
        if self.precision == "fp16" and not is_finite(output):
            raise AdasrError(
                f"{self.path}: its output is not finite (NaN or infinity): fp16 is too narrow for "
                "this image. Export the network without --fp16."
            )
        return check_output(output, images, self.upscale)

    def probe(self, images: Tensor) -> Tensor:
        """As ``backend.Backend``, except that NaN marks what depends on a NaN of the input.

        The runtime's activations may turn NaN into numbers, so the network runs with two other
        values in the place of NaN; where the results differ, they depend on it.
        """
        unknown = images.isnan()
        if not unknown.any():
            return self._run(images)
        low, high = (self._run(images.masked_fill(unknown, value)) for value in (0.0, _LARGE))
        return low.masked_fill(low != high, math.nan)

    def bytes_per_pixel(self) -> float:
        """As ``backend.Backend``; measured once."""
        if self._bytes_per_pixel is None:
            side = math.ceil(max(_PROBE_SIDE, self.minimum) / self.multiple) * self.multiple
            probe = np.zeros((1, self.channels, side, side), self._interface.dtype)
            largest = largest_step(self.path, self._provider, probe)
            floor = 4 * self.channels * (1 + self.upscale**2)
            self._bytes_per_pixel = _SLACK * max(largest / side**2, floor)
        return self._bytes_per_pixel

    def available_bytes(self) -> int:
        """As ``backend.Backend``."""
        return available_bytes(self.device)

    def release(self) -> None:
        """As ``backend.Backend``: a fresh session has an empty arena."""
        self._session = open_session(self.path, self._provider)

    def close(self) -> None:
        """As ``backend.Backend``."""
        self.__dict__.pop("_session", None)

    def _run(self, images: Tensor) -> Tensor:
        fed = images.numpy().astype(self._interface.dtype, copy=False)
        session = self._session
        parts = np.split(fed, len(fed)) if self._interface.one_by_one else [fed]
        try:
            outputs = [run(session, np.ascontiguousarray(part)) for part in parts]
        except Exception as error:  # the classes of ONNX Runtime have no base of their own
            if "allocat" in str(error).lower():
                raise RuntimeError(f"out of memory in ONNX Runtime: {reason(error)}") from None
            raise AdasrError(
                f"{self.path}: ONNX Runtime cannot run it on {tuple(images.shape)} "
                f"({reason(error)}). Use the weights with PyTorch."
            ) from None
        output = outputs[0] if len(outputs) == 1 else np.concatenate(outputs)
        return torch.from_numpy(output.astype(np.float32, copy=False))


def is_onnx(path: str | Path) -> bool:
    """Whether a file is ONNX, by its name."""
    return Path(path).suffix.lower() == ".onnx"
