"""A network as an ONNX graph whose height, width and batch are free."""

from __future__ import annotations

import contextlib
import inspect
import io
import logging
import math
import os
import sys
import warnings
from collections.abc import Iterator
from typing import Literal
from unittest.mock import patch

import torch
from torch import Tensor, nn

INPUT, OUTPUT = "input", "output"
Way = Literal["traced", "one by one", "exported"]
WAYS: tuple[Way, ...] = ("traced", "one by one", "exported")
"""How a graph is made, tried in this order.

``traced`` follows one image through the network. What the network computes from sizes in Python
may then be a constant of the graph; mostly that is the batch, so ``one by one`` fixes the batch to
one image. ``exported`` is PyTorch's other exporter, which takes a minute and knows more.
"""
_SMALLEST_DYNAMO_OPSET = 18


def to_graph(net: nn.Module, way: Way, channels: int, opset: int) -> bytes:
    """The ONNX file of ``net``, which is in evaluation mode on the CPU.

    Args:
        net: the network.
        way: see ``WAYS``.
        channels: of its input.
        opset: version of ONNX's operators; "exported" takes at least 18.

    Raises:
        Exception: whatever PyTorch's exporters raise for an operation that ONNX lacks.
    """
    image = torch.rand(1 if way == "one by one" else 2, channels, *_traced_size(net))
    buffer = io.BytesIO()
    with _quiet(), _free_batch(net), torch.inference_mode():
        if way == "exported":
            _export(net, image, opset, buffer)
            return buffer.getvalue()
        torch.onnx.export(
            net,
            (image,),
            buffer,  # pyright: ignore[reportArgumentType]  this exporter takes a file too
            dynamo=False,
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_axes=_free_axes(way),
            opset_version=opset,
        )
    return buffer.getvalue()


def _free_axes(way: Way) -> dict[str, dict[int, str]]:
    # Axes of one name are of one length to ONNX Runtime, which then reuses memory.
    batch = {} if way == "one by one" else {0: "batch"}
    return {
        INPUT: {**batch, 2: "height", 3: "width"},
        OUTPUT: {**batch, 2: "output_height", 3: "output_width"},
    }


def _export(net: nn.Module, image: Tensor, opset: int, buffer: io.BytesIO) -> None:
    multiple = int(getattr(net, "size_multiple", 1))
    dynamic = torch.export.Dim.DYNAMIC
    sides = [
        dynamic if multiple == 1 else multiple * torch.export.Dim(name, min=2, max=1 << 16)
        for name in ("height", "width")
    ]
    program = torch.onnx.export(
        net,
        (image,),
        dynamo=True,
        dynamic_shapes=({0: dynamic, 2: sides[0], 3: sides[1]},),
        input_names=[INPUT],
        output_names=[OUTPUT],
        opset_version=max(opset, _SMALLEST_DYNAMO_OPSET),
        external_data=False,
        verbose=False,
    )
    assert program is not None
    buffer.write(program.model_proto.SerializeToString())


def _traced_size(net: nn.Module) -> tuple[int, int]:
    """Small, and not square: at their training size networks use masks made for it."""
    multiple = int(getattr(net, "size_multiple", 1))
    smallest = max(16, int(getattr(net, "size_minimum", 1)))
    high = math.ceil(smallest / multiple) * multiple
    return high + multiple, high + 3 * multiple


@contextlib.contextmanager
def _free_batch(net: nn.Module) -> Iterator[None]:
    """Putting windows together again without counting images in Python.

    Networks with attention windows divide the number of windows by those of an image, as Python
    numbers, which tracing would write into the graph.
    """
    with contextlib.ExitStack() as stack:
        for module in {sys.modules[type(part).__module__] for part in net.modules()}:
            for name, count, ours in (
                ("window_reverse", 4, _window_reverse),
                ("windows2img", 5, _windows2img),
            ):
                theirs = getattr(module, name, None)
                if (
                    inspect.isfunction(theirs)
                    and len(inspect.signature(theirs).parameters) == count
                ):
                    stack.enter_context(patch.object(module, name, ours))
        yield


def _window_reverse(windows: Tensor, side: int, height: int, width: int) -> Tensor:
    """(N * windows, side, side, C) to (N, height, width, C)."""
    return _windows2img(windows, side, side, height, width)


def _windows2img(windows: Tensor, high: int, wide: int, height: int, width: int) -> Tensor:
    """(N * windows, high, wide, C) or (N * windows, high * wide, C) to (N, height, width, C)."""
    channels = windows.shape[-1]
    grid = windows.reshape(-1, height // high, width // wide, high, wide, channels)
    return grid.permute(0, 1, 3, 2, 4, 5).reshape(-1, height, width, channels)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without what the exporters tell their own developers."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with (
            warnings.catch_warnings(),
            open(os.devnull, "w") as nowhere,  # noqa: PTH123  a device, no file of ours
            contextlib.redirect_stdout(nowhere),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
