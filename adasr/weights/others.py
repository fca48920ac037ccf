"""Networks that adasr does not load by itself but knows by name."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

_DISCRIMINATORS = {
    "UNetDiscriminatorSN": {"conv0.weight", "conv1.weight_orig", "conv9.weight"},
    "VGGStyleDiscriminator": {"conv0_0.weight", "bn0_1.weight", "linear1.weight"},
}
_EDSR = {"conv_first.weight", "body.0.conv1.weight", "conv_after_body.weight", "conv_last.weight"}


@dataclass(frozen=True)
class Other:
    """A known network that adasr does not load by itself.

    Attributes:
        name: what a person calls it.
        problem: why it is not loaded, as a ``WeightsError`` says it.
        hint: what to do.
    """

    name: str
    problem: str
    hint: str


def name_other(state: Mapping[str, Tensor]) -> Other | None:
    """What a state dict holds where it is such a network."""
    for name, marks in _DISCRIMINATORS.items():
        if marks <= state.keys():
            return Other(
                f"the discriminator {name}",
                f"holds the weights of {name}, a discriminator, which makes no images",
                "Give the generator's weights (net_g_*.pth).",
            )
    if state.keys() >= _EDSR and all(state[key].ndim == 4 for key in _EDSR):
        return Other(
            "EDSR",
            "looks like the weights of BasicSR's EDSR, whose res_scale and img_range are not in "
            "the file",
            f"Name the network: adasr convert --arch '{_edsr(state)}'.",
        )
    return None


def _edsr(state: Mapping[str, Tensor]) -> str:
    first, last = state["conv_first.weight"].shape, state["conv_last.weight"].shape
    blocks = {found[1] for key in state if (found := re.match(r"body\.(\d+)\.", key))}
    # Each step makes the features' side 2 or 3 times longer, so that 4 or 9 times the channels
    # come out of its convolution.
    factors = [
        math.isqrt(value.shape[0] // max(1, value.shape[-3]))
        for key, value in state.items()
        if re.fullmatch(r"upsample\.\d+\.weight", key) and value.ndim == 4
    ]
    return (
        f"{{type: EDSR, num_in_ch: {first[1]}, num_out_ch: {last[0]}, num_feat: {first[0]}, "
        f"num_block: {len(blocks)}, upscale: {math.prod(factors)}, res_scale: 1}}"
    )
