"""ONNX files in ONNX Runtime: opened with clear errors, their sizes and memory read off a run."""

from __future__ import annotations

import json
import math
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ..errors import OptionError, UnavailableError, WeightsError

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

_TYPES = {"tensor(float)": np.dtype(np.float32), "tensor(float16)": np.dtype(np.float16)}
_PROBE_SIDE = 32
_MULTIPLES = (1, 2, 4, 8, 16, 32, 64)
_OURS = "adasr"


@dataclass(frozen=True)
class Interface:
    """What an ONNX network takes and gives.

    Attributes:
        upscale: how many times larger the output is.
        channels: of its images, 1 or 3.
        multiple: both sides of the input must be multiples of it.
        minimum: and at least this long.
        dtype: of the numbers fed and returned.
        precision: of the computation, "fp32" or "fp16".
        one_by_one: it takes batches of one image only.
    """

    upscale: int
    channels: int
    multiple: int
    minimum: int
    dtype: np.dtype
    precision: str
    one_by_one: bool


def runtime() -> Any:
    """The package onnxruntime.

    Raises:
        UnavailableError: it is not installed.
    """
    try:
        import onnxruntime
    except ImportError:
        raise UnavailableError(
            "ONNX files need onnxruntime, which is not installed. Run: pip install 'adasr[onnx]'."
        ) from None
    return onnxruntime


def choose_provider(device: str | torch.device) -> tuple[torch.device, Any]:
    """The device called ``device``, and the execution provider of ONNX Runtime for it.

    Raises:
        OptionError: ONNX Runtime cannot use it here.
        UnavailableError: onnxruntime is not installed.
    """
    there = runtime().get_available_providers()
    has_cuda = "CUDAExecutionProvider" in there
    if device == "auto":
        # The CPU build of PyTorch may stand beside the CUDA build of ONNX Runtime.
        chosen = torch.device("cuda" if has_cuda and torch.cuda.is_available() else "cpu")
    else:
        try:
            chosen = torch.device(device)
        except RuntimeError:
            raise OptionError(f"is unknown: {device}.", ("device",), "Use auto or cpu.") from None
    if chosen.type == "cpu":
        return chosen, "CPUExecutionProvider"
    if chosen.type == "cuda" and has_cuda:
        return chosen, ("CUDAExecutionProvider", {"device_id": chosen.index or 0})
    raise OptionError(
        f"cannot be used by ONNX Runtime here: {device}.",
        ("device",),
        "Use cpu, or install onnxruntime-gpu in place of onnxruntime for CUDA.",
    )


def open_session(path: Path, provider: Any, profile: Path | None = None) -> InferenceSession:
    """``path`` ready to run; with ``profile``, what runs is recorded in files of that prefix.

    Raises:
        WeightsError: missing, damaged, no ONNX file, or the runtime cannot run it.
        UnavailableError: onnxruntime is not installed.
    """
    ort = runtime()
    if not path.is_file():
        problem = "is a folder, not an ONNX file" if path.is_dir() else "does not exist"
        raise WeightsError(path, problem, "Check the path of the model.")
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = torch.get_num_threads()
    # Tiles at the border have sizes of their own; plans of memory for each would pile up.
    options.enable_mem_pattern = False
    if profile is not None:
        options.enable_profiling = True
        options.profile_file_prefix = str(profile)
    try:
        return ort.InferenceSession(str(path), options, providers=[provider])
    except Exception as error:  # the classes of ONNX Runtime have no base of their own
        if path.suffix.lower() in (".safetensors", ".pth"):
            raise WeightsError(
                path,
                "is no ONNX file",
                f"Export it: adasr export -m {path} -o {path.stem}.onnx, or use the backend torch.",
            ) from None
        raise WeightsError(
            path,
            f"is not an ONNX file that ONNX Runtime can run ({reason(error)})",
            "Export or download it again.",
        ) from None


def read_interface(session: InferenceSession, path: Path) -> Interface:
    """What the network takes and gives: by the metadata that adasr writes, else by running it.

    Raises:
        WeightsError: it does not turn an RGB or gray image into a larger one.
    """
    inputs, outputs = session.get_inputs(), session.get_outputs()
    shape = inputs[0].shape if inputs else []
    if len(inputs) != 1 or len(shape) != 4 or shape[1] not in (1, 3) or not outputs:
        told = ", ".join(f"{value.name} {value.shape}" for value in inputs)
        raise WeightsError(
            path,
            f"does not take one batch of RGB or gray images (N, C, H, W), but {told or 'nothing'}",
            "Give the network of a super-resolution model.",
        )
    if inputs[0].type not in _TYPES:
        raise WeightsError(
            path,
            f"takes {inputs[0].type}, not floating-point numbers",
            "Export it again with float32 or float16 inputs.",
        )
    if isinstance(shape[2], int) or isinstance(shape[3], int):
        raise WeightsError(
            path,
            f"takes images of {shape[2]}x{shape[3]} pixels only",
            "Export it again with dynamic height and width.",
        )
    channels, dtype = int(shape[1]), _TYPES[inputs[0].type]
    held = session.get_modelmeta().custom_metadata_map
    if held.get("format") == _OURS:
        try:
            upscale, multiple = int(held["scale"]), int(held["multiple"])
            minimum, precision = int(held["minimum"]), held["precision"]
        except (KeyError, ValueError):
            raise WeightsError(
                path, "has metadata of adasr that is not complete", "Export it again."
            ) from None
    else:
        upscale, multiple = _found_by_running(session, channels, dtype, path)
        minimum, precision = multiple, "fp16" if dtype == np.float16 else "fp32"
    one_by_one = isinstance(shape[0], int)
    return Interface(upscale, channels, multiple, minimum, dtype, precision, one_by_one)


def _found_by_running(
    session: InferenceSession, channels: int, dtype: np.dtype, path: Path
) -> tuple[int, int]:
    """Scale, and the smallest multiple of sides that it takes."""
    problem = ""
    for multiple in _MULTIPLES:
        # An odd number of multiples, and not square: more even sides would pass as well.
        high = multiple * (math.ceil(_PROBE_SIDE / multiple) // 2 * 2 + 1)
        wide = high + 2 * multiple
        try:
            output = run(session, np.zeros((1, channels, high, wide), dtype))
        except Exception as error:  # as in open_session
            problem = problem or reason(error)
            continue
        if output.ndim != 4 or output.shape[1] != channels:
            problem = problem or f"its output has the shape {output.shape}"
            break
        scale, rest = divmod(output.shape[2], high)
        if scale >= 1 and not rest and output.shape[3] == scale * wide:
            return scale, multiple
        problem = problem or f"it makes {output.shape[2:]} of {(high, wide)} pixels"
    raise WeightsError(
        path,
        f"does not turn an image into one of a whole number of times its size ({problem})",
        "Give the network of a super-resolution model with dynamic height and width.",
    )


def run(session: InferenceSession, images: np.ndarray) -> np.ndarray:
    """The first output for the only input."""
    return np.asarray(
        session.run([session.get_outputs()[0].name], {session.get_inputs()[0].name: images})[0]
    )


def largest_step(path: Path, provider: Any, images: np.ndarray) -> int:
    """Bytes of the largest input and output that one operation has while ``images`` run."""
    with tempfile.TemporaryDirectory() as folder:
        session = open_session(path, provider, Path(folder) / "run")
        run(session, images)
        events = json.loads(Path(session.end_profiling()).read_text())
    sizes = [event["args"] for event in events if "output_size" in event.get("args", {})]
    taken = (int(s["output_size"]) + int(s.get("activation_size", 0)) for s in sizes)
    return max(taken, default=0)


def reason(error: Exception) -> str:
    """What ONNX Runtime says, on one line and without its codes and paths."""
    text = str(error).strip().partition("\n")[0]
    text = text.rpartition("[ONNXRuntimeError] : ")[2]
    return re.sub(r"^\d+ : \w+ : (Load model from .* failed:)?", "", text).rstrip(". ")[:200]
