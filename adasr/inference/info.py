"""What a weights file holds, in words and as data: ``adasr info``."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from ..weights.build import input_channels, network_scale
from ..weights.load import Loaded, identify
from ..weights.names import name_of
from ..weights.state import held_entries
from .onnx_backend import OnnxBackend, is_onnx
from .receptive_field import LIMIT, measure_reach
from .torch_backend import TorchBackend

_PROBE_SIDE = 32


@dataclass(frozen=True)
class Info:
    """What a weights file holds.

    Attributes:
        file: its path.
        kind: of the file, and whose key names it has.
        entries: names of the state dicts in a ``.pth`` file.
        network: name, scale and width.
        arch: the network's options; empty where it is known by its weights alone.
        recognized: how.
        scale: of the output.
        channels: of the input and output, 1 or 3.
        parameters: how many numbers are learned; None for ONNX.
        macs_per_pixel: multiplications per pixel of the input; None for ONNX.
        multiple: what both sides are padded to multiples of.
        minimum: and at least.
        overlap: pixels that tiles overlap by; the receptive field where ``exact``.
        exact: whether tiles give what the whole image gives.
        tile_error: by how much, in [0, 1], they may differ otherwise.
        training: what the file says of its training: name, iteration, regularizer.
        about: other entries of its metadata.
    """

    file: str
    kind: str
    entries: list[str]
    network: str
    arch: dict[str, Any]
    recognized: str
    scale: int
    channels: int
    parameters: int | None
    macs_per_pixel: int | None
    multiple: int
    minimum: int
    overlap: int
    exact: bool
    tile_error: float
    training: dict[str, Any] = field(default_factory=dict)
    about: dict[str, str] = field(default_factory=dict)

    def as_json(self) -> str:
        """All of it as one JSON object."""
        return json.dumps(asdict(self))

    def __str__(self) -> str:
        lines = {
            "file": f"{self.file} ({self.kind})",
            "network": self.network,
            "recognized": self.recognized,
            "options": _options(self.arch),
            "scale": f"x{self.scale}",
            "images": "RGB" if self.channels == 3 else "gray",
            "parameters": "" if self.parameters is None else f"{self.parameters:,}",
            "work": self._work(),
            "sizes": self._sizes(),
            "tiles": self._tiles(),
            "holds": ", ".join(self.entries),
            "training": _options(self.training),
            **{key: value for key, value in self.about.items() if len(value) < 100},
        }
        width = max(map(len, lines))
        return "\n".join(f"{key:{width}}  {value}" for key, value in lines.items() if value)

    def _work(self) -> str:
        if self.macs_per_pixel is None:
            return ""
        return f"{self.macs_per_pixel / 1000:,.0f} thousand multiplications a pixel of the input"

    def _sizes(self) -> str:
        if self.multiple == 1 and self.minimum == 1:
            return "any"
        least = f", at least {self.minimum}" if self.minimum > 1 else ""
        return f"padded to multiples of {self.multiple}{least}"

    def _tiles(self) -> str:
        if self.tile_error == 0:
            side = 2 * self.overlap + 1
            return f"overlap by {self.overlap} pixels; the network sees up to {side}x{side}"
        if self.exact:
            return f"overlap by {self.overlap} pixels; what lies beyond changes nothing visible"
        return (
            f"overlap by {self.overlap} pixels; the network sees further than {LIMIT}, so they "
            f"differ by up to {self.tile_error * 255:.1f} of 255 from the whole image"
        )


def describe_weights(path: str | Path, key: str | None = None) -> Info:
    """What a weights file holds; its network runs once on small images.

    Args:
        path: weights of any kind that ``load_network`` reads, or an ONNX file.
        key: which weights of a ``.pth`` file; EMA weights by default where it holds both.

    Raises:
        WeightsError: missing, damaged, refused, or of no network that makes images.
        UnavailableError: an ONNX file, and onnxruntime is not installed.
    """
    path = Path(path)
    return _of_onnx(path) if is_onnx(path) else _of_weights(path, key)


def _of_weights(path: Path, key: str | None) -> Info:
    entries, loaded = held_entries(path), identify(path, key)
    net = loaded.net
    backend = TorchBackend(net, "cpu", "fp32")
    reach = measure_reach(backend.probe, backend.channels, backend.multiple)
    kind = ".pth" if entries or path.suffix != ".safetensors" else "safetensors"
    training, about = _told(loaded)
    return Info(
        file=str(path),
        kind=f"{kind}, key names of {loaded.layout}",
        entries=entries,
        network=name_of(net),
        arch=dict(getattr(net, "arch_options", None) or {}),
        recognized=loaded.why,
        scale=network_scale(net),
        channels=input_channels(net),
        parameters=sum(parameter.numel() for parameter in net.parameters()),
        macs_per_pixel=_macs_per_pixel(net, backend),
        multiple=backend.multiple,
        minimum=backend.minimum,
        overlap=reach.overlap,
        exact=reach.is_exact,
        tile_error=reach.error,
        training=training,
        about=about,
    )


def _of_onnx(path: Path) -> Info:
    backend = OnnxBackend(path, "cpu")
    held = backend.metadata
    reach = measure_reach(backend.probe, backend.channels, backend.multiple)
    ours = ("format", "scale", "arch", "network", "channels", "multiple", "minimum", "options")
    arch = json.loads(held["arch"]) if "arch" in held else {}
    return Info(
        file=str(path),
        kind="ONNX",
        entries=[],
        network=held.get("network", f"unknown network x{backend.upscale}"),
        arch=arch,
        recognized="by its metadata" if held.get("format") == "adasr" else "by running it",
        scale=backend.upscale,
        channels=backend.channels,
        parameters=None,
        macs_per_pixel=None,
        multiple=backend.multiple,
        minimum=backend.minimum,
        overlap=reach.overlap,
        exact=reach.is_exact,
        tile_error=reach.error,
        about={key: value for key, value in held.items() if key not in ours and value},
    )


def _macs_per_pixel(net: nn.Module, backend: TorchBackend) -> int:
    side = math.ceil(max(_PROBE_SIDE, backend.minimum) / backend.multiple) * backend.multiple
    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad():  # inference mode would bypass the counter
        net(torch.zeros(1, backend.channels, side, side))
    return round(counter.get_total_flops() / 2 / side**2)


def _told(loaded: Loaded) -> tuple[dict[str, Any], dict[str, str]]:
    """What the metadata say of the training, and the rest of them."""
    held = dict(loaded.metadata)
    for known in ("format", "scale", "arch"):
        held.pop(known, None)
    training: dict[str, Any] = {key: held.pop(key) for key in ("name", "iteration") if key in held}
    training.update(_recipe(held.pop("options", "")))
    return training, held


def _recipe(text: str) -> dict[str, Any]:
    """The parts of a training's options that tell networks apart."""
    from ..options.yaml_text import parse

    try:
        options = parse(text)[0] if text else {}
    except Exception:  # another version's options must not hide the rest of the file
        return {}
    if not isinstance(options, dict):
        return {}
    parts = {key: options.get(key) for key in ("regularizer", "degradation")}
    train = options.get("train")
    if isinstance(train, dict):
        parts["total_iter"] = train.get("total_iter")
    return {key: value for key, value in parts.items() if value}


def _options(options: dict[str, Any]) -> str:
    return ", ".join(f"{key}: {_value(value)}" for key, value in options.items())


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return f"{{{_options(value)}}}"
    return str(value)
