"""Weights to an ONNX file that is verified and says of itself what it needs."""

from __future__ import annotations

import importlib.util
import json
import math
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from torch import nn

from ...errors import OptionError, UnavailableError, WeightsError
from ...files import write_bytes
from ...inference.onnx_session import runtime
from ...weights.build import input_channels
from ...weights.load import identify
from ...weights.names import name_of
from ...weights.save import describe
from .graph import WAYS, Way, to_graph
from .verify import FP16_LIMIT, Reference, largest_error, reference

DEFAULT_OPSET = 17
OPSETS = range(14, 21)
_LARGEST_PARAMETERS = 480_000_000  # an ONNX file of one piece is smaller than 2 GB


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes:
        path: the ONNX file.
        name: the network in words.
        opset: version of ONNX's operators that it uses.
        precision: "fp32" or "fp16".
        sizes: batch, height and width of the inputs that it was checked on.
        max_error: the largest difference of any output from PyTorch's in fp32; None unchecked.
        one_by_one: it takes batches of one image only.
    """

    path: Path
    name: str
    opset: int
    precision: str
    sizes: list[tuple[int, int, int]]
    max_error: float | None
    one_by_one: bool

    def __str__(self) -> str:
        batch = "one image at a time" if self.one_by_one else "dynamic batch"
        what = f"{self.path}: {self.name}; opset {self.opset}, {self.precision}"
        what += f", dynamic height and width, {batch}"
        if self.max_error is None:
            return f"{what}; not checked"
        sizes = ", ".join("x".join(map(str, size)) for size in self.sizes)
        return f"{what}; largest error against PyTorch {self.max_error:.1e} (on {sizes})"


def export_onnx(
    weights: str | Path,
    target: str | Path,
    fp16: bool = False,
    opset: int = DEFAULT_OPSET,
    check: bool = True,
    key: str | None = None,
) -> Exported:
    """Write the network of ``weights`` as an ONNX file with free height, width and batch.

    Its input is (N, C, H, W), RGB in [0, 1], and its output (N, C, H * scale, W * scale), not
    clamped, both float32. The metadata of the file hold what ``adasr.weights.save.describe`` says,
    and ``channels``, ``multiple`` and ``minimum`` of the sides, ``precision``, ``opset``,
    ``checked_sizes`` and ``max_error``.

    Args:
        weights: of any kind that ``load_network`` reads.
        target: an ``.onnx`` file; written atomically.
        fp16: whether weights and computation become fp16; input and output stay float32.
        opset: version of ONNX's operators, 14 to 20. Some networks need a higher one than asked
            for and get it.
        check: compare with PyTorch on five sizes; a graph that differs is not written.
        key: which weights of a ``.pth`` file; EMA weights by default where it holds both.

    Raises:
        OptionError: another suffix or opset.
        WeightsError: the weights cannot be read, or the network cannot be exported.
        UnavailableError: onnx is not installed, or onnxruntime and it is to be checked.
        OSError: ``target`` cannot be written; an earlier file stays.
    """
    weights, target = Path(weights), Path(target)
    if target.suffix != ".onnx":
        raise OptionError(f"must end in .onnx, got {target.name}.", ("output",))
    if opset not in OPSETS:
        raise OptionError(f"must be {OPSETS[0]} to {OPSETS[-1]}, got {opset}.", ("opset",))
    onnx = _package()
    if check or fp16:
        runtime()
    loaded = identify(weights, key)
    net = loaded.net
    if sum(parameter.numel() for parameter in net.parameters()) > _LARGEST_PARAMETERS:
        raise WeightsError(weights, "is too large for one ONNX file (2 GB)", "Use PyTorch.")
    expected = reference(net, input_channels(net)) if check else None
    model, error, way = _graph(net, weights, opset, expected)
    if fp16:
        model, error = _halved(model, weights, expected, way == "one by one")
    proto = onnx.load_from_string(model)
    written = next(entry.version for entry in proto.opset_import if entry.domain == "")
    precision, sizes = "fp16" if fp16 else "fp32", expected.sizes if expected else []
    entries = {
        **loaded.metadata,
        **describe(net),
        "network": name_of(net),
        "channels": str(input_channels(net)),
        "multiple": str(int(getattr(net, "size_multiple", 1))),
        "minimum": str(int(getattr(net, "size_minimum", 1))),
        "precision": precision,
        "opset": str(written),
        "checked_sizes": json.dumps(sizes),
        "max_error": "" if error is None else f"{error:.3e}",
    }
    del proto.metadata_props[:]
    onnx.helper.set_model_props(proto, entries)
    proto.producer_name, proto.producer_version = "adasr", entries["version"]
    write_bytes(target, proto.SerializeToString())
    return Exported(target, name_of(net), written, precision, sizes, error, way == "one by one")


def _graph(
    net: nn.Module, path: Path, opset: int, expected: Reference | None
) -> tuple[bytes, float | None, Way]:
    """The first graph that computes what the network computes, its error, and how it was made."""
    problems: list[str] = []
    for way in WAYS:
        if way == "exported" and importlib.util.find_spec("onnxscript") is None:
            problems.append("the package onnxscript, which might do it, is not installed")
            continue
        try:
            model = to_graph(net, way, input_channels(net), opset)
        except Exception as error:  # each operation that ONNX lacks has an error of its own
            problems.append(str(error).strip().partition("\n")[0][:200])
            continue
        if expected is None:
            return model, None, way
        error = largest_error(model, expected, way == "one by one")
        if error <= expected.limit:
            return model, error, way
        problems.append(
            "it fails on other sizes than it was made with"
            if math.isinf(error)
            else f"it differs from PyTorch by {error:.1e}, where {expected.limit:.1e} is rounding"
        )
    raise WeightsError(
        path,
        f"holds {name_of(net)}, which cannot be exported ({'; '.join(dict.fromkeys(problems))})",
        "Try a higher --opset, or run the weights with PyTorch.",
    )


def _halved(
    model: bytes, path: Path, expected: Reference | None, one_by_one: bool
) -> tuple[bytes, float | None]:
    import onnx
    from onnxruntime.transformers.float16 import convert_float_to_float16

    half = convert_float_to_float16(onnx.load_from_string(model), keep_io_types=True)
    smaller = half.SerializeToString()
    if expected is None:
        return smaller, None
    error = largest_error(smaller, expected, one_by_one)
    if error > FP16_LIMIT:
        told = "is no graph that runs" if math.isinf(error) else f"is off by {error:.1e}"
        raise WeightsError(path, f"in fp16 {told}", "Export it without --fp16.")
    return smaller, error


def _package() -> ModuleType:
    try:
        import onnx
    except ImportError:
        raise UnavailableError(
            "Exporting needs onnx, which is not installed. Run: pip install 'adasr[onnx]'."
        ) from None
    return onnx
