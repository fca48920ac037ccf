"""Whether an ONNX graph computes what the network computes, on several sizes."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from ...inference.onnx_session import runtime

# The order of the sums differs, and with it the rounding: by some times as much as the network's
# own rounding, which is seen by computing it in float64.
_TIMES_ROUNDING = 50
_FLOOR = 1e-6
_UNKNOWN_ROUNDING = 1e-4
FP16_LIMIT = 2 / 255


@dataclass(frozen=True)
class Reference:
    """What PyTorch computes.

    Attributes:
        images: inputs of several sizes.
        outputs: one for each.
        limit: by how much a right graph may differ from them.
    """

    images: list[Tensor]
    outputs: list[Tensor]
    limit: float

    @property
    def sizes(self) -> list[tuple[int, int, int]]:
        """Batch, height and width of each input."""
        return [(len(image), image.shape[-2], image.shape[-1]) for image in self.images]


def reference(net: nn.Module, channels: int) -> Reference:
    """The network's outputs for five sizes, batches of one and two among them.

    Args:
        net: in evaluation mode on the CPU.
        channels: of its input.
    """
    generator = torch.Generator().manual_seed(0)
    images = [torch.rand(n, channels, h, w, generator=generator) for n, h, w in _sizes(net)]
    with torch.inference_mode():
        outputs = [net(image) for image in images]
        limit = _limit(net, images, outputs)
    return Reference(images, outputs, limit)


def largest_error(model: bytes, expected: Reference, one_by_one: bool) -> float:
    """The largest absolute difference of any number; infinity where a shape or size fails."""
    ort = runtime()
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = torch.get_num_threads()
    try:
        session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception:  # the classes of ONNX Runtime have no base of their own
        return math.inf
    name, worst = session.get_inputs()[0].name, 0.0
    for image, output in zip(expected.images, expected.outputs, strict=True):
        parts = image.split(1) if one_by_one else [image]
        try:
            results = [np.asarray(session.run(None, {name: part.numpy()})[0]) for part in parts]
        except Exception:  # as above
            return math.inf
        result = np.concatenate(results)
        if result.shape != tuple(output.shape) or not np.isfinite(result).all():
            return math.inf
        worst = max(worst, float(np.abs(result - output.numpy()).max()))
    return worst


def _sizes(net: nn.Module) -> list[tuple[int, int, int]]:
    multiple = int(getattr(net, "size_multiple", 1))
    smallest = max(1, int(getattr(net, "size_minimum", 1)))
    least = math.ceil(max(smallest, 8) / multiple) * multiple
    side = math.ceil(max(smallest, 16) / multiple) * multiple
    return [
        (1, least, least),
        (2, least, side + multiple),
        (1, side + 3 * multiple, side),
        (2, side, side + 4 * multiple),
        (1, 2 * side + multiple, side + 2 * multiple),
    ]


def _limit(net: nn.Module, images: list[Tensor], outputs: list[Tensor]) -> float:
    peak = max(1.0, *(float(output.abs().max()) for output in outputs))
    try:
        double = copy.deepcopy(net).double()
        exact = [double(image.double()) for image in images]
    except RuntimeError:  # it makes float32 numbers of its own
        return _UNKNOWN_ROUNDING * peak
    rounding = max(
        float((output - right).abs().max()) for output, right in zip(outputs, exact, strict=True)
    )
    return _TIMES_ROUNDING * rounding + _FLOOR * peak
