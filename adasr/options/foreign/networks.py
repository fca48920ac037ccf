"""Networks of BasicSR and of the dropout papers as a network and, apart from it, a regularizer."""

from __future__ import annotations

import copy
import re
from typing import Any

from .draft import Draft

# MSRResNet_dropoutlast_channel07: a network, its blocks written out or not, dropout before its
# last convolution, of channels or elements, with probability 0.7.
_RELEASED = re.compile(
    r"(?P<network>MSRResNet|RRDBNet)(?P<details>_details+)?"
    r"(?:_dropoutlast_(?P<what>channel|element)0(?P<digits>\d+))?"
)
_OURS = {"MSRResNet": "SRResNet", "SRVGGNetCompact": "Compact"}
_DROPOUT = {"channel": "ChannelDropout", "element": "ElementDropout"}
_WRITTEN_OUT = 16  # blocks

# Kong et al. and Wang et al. drop channels under this name, Xu et al. made Adaptive Dropout of it.
_AMBIGUOUS = "MSRResNet_details_dropoutlast_channel07"
# Where else Xu et al. may have kept a name of Kong et al. for Adaptive Dropout is not known.
_ADAPTIVE: dict[str, Any] = {
    "type": "AdaptiveDropout",
    "p": 0.5,
    "weight": 0.3,
    "schedule": {"type": "LayerwiseAnnealing", "interval": 20000},
}

_SWINIR_DEFAULTS: dict[str, Any] = {
    "window_size": 7,
    "depths": [6, 6, 6, 6],
    "embed_dim": 96,
    "num_heads": [6, 6, 6, 6],
    "mlp_ratio": 4.0,
    "upsampler": "",
}
_SWINIR_INERT: dict[str, Any] = {
    "patch_size": 1,
    "qkv_bias": True,
    "qk_scale": None,
    "drop_rate": 0,
    "attn_drop_rate": 0,
    "drop_path_rate": 0,
    "ape": False,
    "patch_norm": True,
}


def is_of_dropout_papers(name: Any) -> bool:
    """Whether only the code of Kong, Wang or Xu et al. has a network of this name."""
    found = _RELEASED.fullmatch(name) if isinstance(name, str) else None
    return found is not None and bool(found["details"] or found["what"])


def take_network(draft: Draft) -> None:
    """``network_g``, and the dropout that its name tells of."""
    name = draft.get("network_g", "type")
    if not isinstance(name, str):
        return
    released = _RELEASED.fullmatch(name)
    if released is not None:
        network = released["network"]
        dropout = _dropout(name, released) if released["what"] else None
        told = _take_dropout(draft, name, dropout) if dropout else ""
        if released["details"] or network != name or network in _OURS:
            draft.change(("network_g", "type"), _OURS.get(network, network), told)
        if released["details"] and draft.get("network_g", "num_block") not in (None, _WRITTEN_OUT):
            draft.report.note(
                f"{name} has {_WRITTEN_OUT} blocks whatever num_block says; here num_block counts."
            )
        if network == "RRDBNet":
            draft.move(("network_g", "scale"), ("network_g", "upscale"))
    elif name in _OURS:
        draft.change(("network_g", "type"), _OURS[name])
    elif name == "SwinIR":
        _take_swinir(draft)


def _dropout(name: str, released: re.Match[str]) -> dict[str, Any]:
    if name == _AMBIGUOUS:
        return copy.deepcopy(_ADAPTIVE)
    return {"type": _DROPOUT[released["what"]], "p": float(f"0.{released['digits']}")}


def _take_dropout(draft: Draft, name: str, dropout: dict[str, Any]) -> str:
    """Put ``dropout`` where the user says nothing else; the end of the line about the network."""
    if not draft.trains:
        return " (its dropout acts in training only)"
    given = draft.get("regularizer")
    if draft.has("regularizer") and not (isinstance(given, dict) and "type" not in given):
        return " (its dropout gives way to the file's own regularizer)"
    if not given:
        draft.origins["regularizer",] = ("network_g", "type")
    draft.options["regularizer"] = {**dropout, **(given or {})}
    if name == _AMBIGUOUS:
        draft.report.note(
            f"{name} is two networks: Adaptive Dropout in the code of Xu et al. (CVPR 2025), "
            "taken here, and channel dropout before the last convolution in that of Kong et al. "
            "(CVPR 2022) and Wang et al. (CVPR 2024). If you mean the latter: "
            "--set 'regularizer={type: ChannelDropout, p: 0.7}'"
        )
    options = ", ".join(f"{k} {v}" for k, v in dropout.items() if k not in ("type", "schedule"))
    schedule = dropout.get("schedule")
    annealed = f", {schedule['type']} every {schedule['interval']} iterations" if schedule else ""
    return f" + regularizer {dropout['type']} ({options}{annealed})"


def _take_swinir(draft: Draft) -> None:
    network = draft.section("network_g")
    for option, value in _SWINIR_DEFAULTS.items():
        draft.fill(("network_g", option), value)
    if draft.trains and "drop_path_rate" not in network:
        draft.report.note(
            "BasicSR's SwinIR trains with stochastic depth (drop_path_rate 0.1); this one without. "
            "What regularizes is the section regularizer:."
        )
    for option, value in _SWINIR_INERT.items():
        if option in network and network[option] == value:
            draft.unneeded(("network_g", option), "what it always is here")
    if network.get("drop_path_rate"):
        draft.refuse(
            ("network_g", "drop_path_rate"),
            "stochastic depth is not part of adasr.",
            "Write 0; what regularizes is the section regularizer:, e.g. {type: AdaptiveDropout}.",
        )
