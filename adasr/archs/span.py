"""SPAN, as spandrel implements it."""

from __future__ import annotations

from torch import nn

from ..compat import import_torchvision
from ..errors import OptionError
from ..registry import ARCH_REGISTRY
from .layers import check_positive, check_upscale, describe


@ARCH_REGISTRY.register()
def SPAN(
    num_in_ch: int = 3,
    num_out_ch: int = 3,
    feature_channels: int = 48,
    upscale: int = 4,
    norm: bool = True,
    img_range: float = 255.0,
    rgb_mean: tuple[float, ...] = (0.4488, 0.4371, 0.4040),
) -> nn.Module:
    """SPAN, the swift parameter-free attention network (Wan et al., arXiv 2311.12770).

    Input (N, num_in_ch, H, W) in [0, 1], output (N, num_out_ch, H * upscale, W * upscale). Default
    sites: the output of each block's first convolution, before its activation, and the input of
    the last convolution.

    Args:
        num_in_ch: channels of the input; 3 with norm.
        num_out_ch: channels of the output.
        feature_channels: channels of the features.
        upscale: 1, 2, 3, 4 or 8.
        norm: whether the network subtracts rgb_mean and multiplies by img_range.
        img_range: factor on the input inside the network.
        rgb_mean: the mean colour that is subtracted.

    Raises:
        OptionError: a value out of range.
    """
    check_upscale(upscale, (1, 2, 3, 4, 8))
    check_positive(num_in_ch=num_in_ch, num_out_ch=num_out_ch, feature_channels=feature_channels)
    check_positive(img_range=img_range)
    if len(rgb_mean) != 3:
        raise OptionError(f"must be three numbers, got {rgb_mean}.", ("rgb_mean",))
    if norm and num_in_ch != 3:
        raise OptionError(f"must be 3 with norm, got {num_in_ch}.", ("num_in_ch",))
    import_torchvision()
    from spandrel.architectures.SPAN import SPAN as Network

    net = Network(
        num_in_ch=num_in_ch,
        num_out_ch=num_out_ch,
        feature_channels=feature_channels,
        upscale=upscale,
        norm=norm,
        img_range=img_range,
        rgb_mean=tuple(rgb_mean),  # pyright: ignore[reportArgumentType]
    )
    # A block returns its feature in a tuple with others, so it cannot be a site itself.
    sites = [f"block_{i}.c1_r" for i in range(1, 7)]
    return describe(net, upscale, (*sites, "upsampler.0:input"))
