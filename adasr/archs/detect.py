"""Which network a state dict belongs to, read from its key names and shapes alone."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from .rrdbnet import UNSHUFFLE

_PARAMETER = r"\.(weight|bias)"
_SRRESNET = re.compile(
    r"(conv_first|conv_hr|conv_last|upconv[123]|body\.\d+\.conv[12])" + _PARAMETER
)
_RRDBNET = re.compile(
    r"(conv_first|conv_body|conv_up[12]|conv_hr|conv_last|body\.\d+\.rdb[123]\.conv[1-5])"
    + _PARAMETER
)
_RELEASED_BLOCK = re.compile(r"body(\d+)\.0\.(conv[12]\.(?:weight|bias))")


def canonical_keys(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state dict with our key names.

    The released networks of Kong et al. (CVPR 2022) and Xu et al. (CVPR 2025) hold their blocks as
    ``body1.0`` to ``body16.0``; here and in BasicSR they are ``body.0`` to ``body.15``. All other
    state dicts come back as they are.
    """
    if "body1.0.conv1.weight" not in state:
        return dict(state)
    return {
        _RELEASED_BLOCK.sub(lambda found: f"body.{int(found[1]) - 1}.{found[2]}", key): value
        for key, value in state.items()
    }


def detect(state: Mapping[str, Tensor]) -> dict[str, Any] | None:
    """The options of the SRResNet or RRDBNet that ``state`` belongs to, else None.

    Args:
        state: a state dict with canonical keys.
    """
    shapes = {key: tuple(value.shape) for key, value in state.items()}
    for find, pattern in ((_srresnet, _SRRESNET), (_rrdbnet, _RRDBNET)):
        if all(pattern.fullmatch(key) for key in shapes):
            try:
                return find(shapes)
            except (KeyError, IndexError, ZeroDivisionError):  # a part is missing or misshapen
                return None
    return None


def _srresnet(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Any] | None:
    num_feat, num_in_ch = shapes["conv_first.weight"][:2]
    steps = sum(f"upconv{i}.weight" in shapes for i in (1, 2, 3))
    upscale = 2**steps
    if steps and shapes["upconv1.weight"][0] == 9 * num_feat:
        upscale = 3
    return {
        "type": "SRResNet",
        "num_in_ch": num_in_ch,
        "num_out_ch": shapes["conv_last.weight"][0],
        "num_feat": num_feat,
        "num_block": sum(bool(re.fullmatch(r"body\.\d+\.conv1\.weight", key)) for key in shapes),
        "upscale": upscale,
    }


def _rrdbnet(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Any] | None:
    num_feat, folded = shapes["conv_first.weight"][:2]
    num_out_ch = shapes["conv_last.weight"][0]
    # The input has as many channels as the output in every released network, so that what its
    # first convolution sees more of was folded in.
    upscale = {factor**2: upscale for upscale, factor in UNSHUFFLE.items()}.get(
        folded // num_out_ch
    )
    if upscale is None or folded % num_out_ch:
        return None
    return {
        "type": "RRDBNet",
        "num_in_ch": num_out_ch,
        "num_out_ch": num_out_ch,
        "upscale": upscale,
        "num_feat": num_feat,
        "num_block": sum(
            bool(re.fullmatch(r"body\.\d+\.rdb1\.conv1\.weight", key)) for key in shapes
        ),
        "num_grow_ch": shapes["body.0.rdb1.conv1.weight"][0],
    }
