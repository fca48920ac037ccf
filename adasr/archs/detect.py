"""Which network a state dict belongs to, read from its key names and shapes alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from .keys import OURS, canonical_keys, count_blocks, own_keys, spelling_of, to_ours
from .rrdbnet import UNSHUFFLE

__all__ = ["Recognition", "canonical_keys", "detect", "recognize"]

_Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class Recognition:
    """The network of ours that a state dict looks like, and why.

    Attributes:
        options: ``{"type": name, **options}``.
        layout: whose key names they are, as ``adasr convert`` calls it.
        own: how many keys are the network's.
        total: how many keys there are.
        examples: three of the network's keys, as the state dict spells them.
        exact: whether no other keys are there, and none is missing outside the blocks.
    """

    options: dict[str, Any]
    layout: str
    own: int
    total: int
    examples: tuple[str, ...]
    exact: bool

    @property
    def why(self) -> str:
        """The reason, for a message."""
        return f"{self.own} of {self.total} keys are its, such as {', '.join(self.examples)}"


def detect(state: Mapping[str, Tensor]) -> dict[str, Any] | None:
    """The options of the SRResNet or RRDBNet that ``state`` belongs to without doubt, else None."""
    found = recognize(state)
    return found.options if found is not None and found.exact else None


def recognize(state: Mapping[str, Tensor]) -> Recognition | None:
    """The SRResNet or RRDBNet that most of the keys belong to, None if there is no such network.

    Options are read from the shapes that are there, so a missing, additional or misshapen
    parameter does not hide the network.

    Args:
        state: a state dict with the key names of any layout.
    """
    ours = to_ours(state)
    shapes = {name: tuple(state[key].shape) for key, name in ours.items()}
    found = [_compared(ours, options) for options in _guesses(shapes)]
    best = max(found, key=lambda recognition: recognition.own, default=None)
    return best if best is not None and 2 * best.own >= best.total else None


def _guesses(shapes: _Shapes) -> Iterator[dict[str, Any]]:
    for network, guess in (("SRResNet", _srresnet), ("RRDBNet", _rrdbnet)):
        if count := count_blocks(network, shapes):
            options = guess(shapes)
            if options is not None:
                yield {"type": network, **options, "num_block": count}


def _compared(ours: Mapping[str, str], options: Mapping[str, Any]) -> Recognition:
    """What speaks for the network of ``options``, given each key and our name of it."""
    network, count = options["type"], options["num_block"]
    steps = 2 if network == "RRDBNet" else _steps(options["upscale"])
    expected = own_keys(network, count, steps)
    names = set(expected)
    own = [key for key, name in ours.items() if name in names]
    outside = [name for name in expected if not name.startswith("body.")]
    spelled = {name: key for key, name in ours.items()}
    # The first, one of a block, and the last of the middle tell these networks from others.
    telling = [n for n in (expected[0], expected[2], outside[-6]) if n in spelled]
    spelling = spelling_of(ours)
    return Recognition(
        dict(options),
        spelling.layout if spelling is not None else OURS,
        len(own),
        len(ours),
        tuple(dict.fromkeys(spelled[name] for name in telling)) or tuple(own[:1]),
        len(own) == len(ours) and all(name in spelled for name in outside),
    )


def _steps(upscale: int) -> int:
    return 1 if upscale == 3 else upscale.bit_length() - 1


def _srresnet(shapes: _Shapes) -> dict[str, Any]:
    num_feat = _width(shapes)
    steps = max((i for i in (1, 2, 3) if f"upconv{i}.weight" in shapes), default=0)
    upscale = 2**steps
    if steps == 1 and _first(shapes, 0, 0, "upconv1.weight") == 9 * num_feat:
        upscale = 3
    channels = _first(shapes, 0, 3, "conv_last.weight", "conv_last.bias")
    return {
        "num_in_ch": channels,  # the enlarged input is added to the output
        "num_out_ch": channels,
        "num_feat": num_feat,
        "upscale": upscale,
    }


def _rrdbnet(shapes: _Shapes) -> dict[str, Any] | None:
    num_out_ch = _first(shapes, 0, 3, "conv_last.weight", "conv_last.bias")
    # The input has as many channels as the output in every released network, so that what its
    # first convolution sees more of was folded in.
    folded = _first(shapes, 1, num_out_ch, "conv_first.weight")
    scales = {factor**2: upscale for upscale, factor in UNSHUFFLE.items()}
    if num_out_ch == 0 or folded % num_out_ch or folded // num_out_ch not in scales:
        return None
    return {
        "num_in_ch": num_out_ch,
        "num_out_ch": num_out_ch,
        "upscale": scales[folded // num_out_ch],
        "num_feat": _width(shapes),
        "num_grow_ch": _first(shapes, 0, 32, *(f"body.0.rdb{i}.conv1.weight" for i in (1, 2, 3))),
    }


def _width(shapes: _Shapes) -> int:
    """Channels of the features: what most of the keys that tell them say."""
    ends = ("conv_first.weight", "conv_first.bias", "conv_hr.weight", "conv_hr.bias")
    told = [shapes[key][0] for key in ends if shapes.get(key)]
    return Counter(n for n in told if n > 0).most_common(1)[0][0] if any(told) else 64


def _first(shapes: _Shapes, axis: int, default: int, *keys: str) -> int:
    """The length along ``axis`` of the first of ``keys`` that is there with a fitting shape."""
    dimensions = {"weight": 4, "bias": 1}
    fitting = (k for k in keys if len(shapes.get(k, ())) == dimensions[k.rpartition(".")[2]])
    return next((shapes[key][axis] for key in fitting), default)
