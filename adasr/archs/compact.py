"""Compact (SRVGGNetCompact), as spandrel implements it."""

from __future__ import annotations

from typing import Literal

from torch import nn

from ..compat import import_torchvision
from ..errors import OptionError
from ..registry import ARCH_REGISTRY
from .layers import check_positive, check_upscale, describe


@ARCH_REGISTRY.register()
def Compact(
    num_in_ch: int = 3,
    num_out_ch: int = 3,
    num_feat: int = 64,
    num_conv: int = 16,
    upscale: int = 4,
    act_type: Literal["relu", "prelu", "leakyrelu"] = "prelu",
) -> nn.Module:
    """Compact, Real-ESRGAN's small VGG-style network SRVGGNetCompact (arXiv 2107.10833).

    Input (N, num_in_ch, H, W) in [0, 1], output (N, num_out_ch, H * upscale, W * upscale); the
    nearest-neighbour enlargement of the input is added. Default sites: the output of each body
    convolution, before its activation, and the input of the last convolution.

    Args:
        num_in_ch: channels of the input.
        num_out_ch: channels of the output; as many as the input's, which is added to it.
        num_feat: channels of the features.
        num_conv: convolutions in the body.
        upscale: 1, 2, 3, 4 or 8.
        act_type: the activation.

    Raises:
        OptionError: a value out of range.
    """
    check_upscale(upscale, (1, 2, 3, 4, 8))
    check_positive(num_in_ch=num_in_ch, num_feat=num_feat, num_conv=num_conv)
    if num_out_ch != num_in_ch:
        raise OptionError(f"must equal num_in_ch ({num_in_ch}), got {num_out_ch}.", ("num_out_ch",))
    import_torchvision()
    from spandrel.architectures.Compact import Compact as Network

    net = Network(
        num_in_ch=num_in_ch,
        num_out_ch=num_out_ch,
        num_feat=num_feat,
        num_conv=num_conv,
        upscale=upscale,
        act_type=act_type,
    )
    # The body alternates convolution and activation; 0 is the first convolution.
    convolutions = [f"body.{2 * i}" for i in range(1, num_conv + 1)]
    return describe(net, upscale, (*convolutions, f"body.{2 * num_conv + 2}:input"))
