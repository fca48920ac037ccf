"""HAT, as spandrel implements it."""

from __future__ import annotations

from typing import Literal

from torch import nn

from ..compat import import_torchvision
from ..registry import ARCH_REGISTRY
from .layers import check_divides, check_positive, check_same_length, check_upscale, describe, quiet


@ARCH_REGISTRY.register()
def HAT(
    upscale: int = 4,
    in_chans: int = 3,
    img_size: int = 64,
    window_size: int = 16,
    compress_ratio: int = 3,
    squeeze_factor: int = 30,
    conv_scale: float = 0.01,
    overlap_ratio: float = 0.5,
    img_range: float = 1.0,
    depths: tuple[int, ...] = (6, 6, 6, 6, 6, 6),
    embed_dim: int = 180,
    num_heads: tuple[int, ...] = (6, 6, 6, 6, 6, 6),
    mlp_ratio: float = 2.0,
    upsampler: Literal["pixelshuffle"] = "pixelshuffle",
    resi_connection: Literal["1conv", "identity"] = "1conv",
    use_checkpoint: bool = False,
) -> nn.Module:
    """HAT, the hybrid attention Transformer (Chen et al., CVPR 2023, arXiv 2205.04437).

    Input (N, in_chans, H, W) in [0, 1], output (N, in_chans, H * upscale, W * upscale). Default
    sites: the convolution at the end of each residual group (so that noise stays in the residual
    branch), and the input of the last convolution. Stochastic depth is off: what regularizes is
    ``adasr.regularizers``.

    Args:
        upscale: 1, 2, 3, 4 or 8.
        in_chans: channels of the input and output.
        img_size: side of the training input; without effect on the weights.
        window_size: side of an attention window.
        compress_ratio: channel compression in the channel attention's convolutions.
        squeeze_factor: channel squeeze of the channel attention; at most embed_dim.
        conv_scale: weight of the channel attention branch.
        overlap_ratio: how far the windows of overlapping cross-attention reach out.
        img_range: factor on the input inside the network.
        depths: hybrid attention blocks of each residual group.
        embed_dim: channels of the features; a multiple of every entry of num_heads.
        num_heads: attention heads in each residual group.
        mlp_ratio: hidden over embedding channels of the MLPs.
        upsampler: pixelshuffle.
        resi_connection: a convolution or nothing at the end of a residual group.
        use_checkpoint: trade time for memory in training.

    Raises:
        OptionError: a value out of range.
    """
    check_upscale(upscale, (1, 2, 3, 4, 8))
    check_positive(in_chans=in_chans, img_size=img_size, window_size=window_size, depths=depths)
    check_positive(compress_ratio=compress_ratio, squeeze_factor=squeeze_factor)
    check_positive(embed_dim=embed_dim, num_heads=num_heads, mlp_ratio=mlp_ratio)
    check_positive(img_range=img_range)
    check_same_length(depths=depths, num_heads=num_heads)
    for heads in num_heads:
        check_divides("num_heads", heads, embed_dim=embed_dim)
    import_torchvision()
    from spandrel.architectures.HAT import HAT as Network

    with quiet():
        net = Network(
            img_size=img_size,
            in_chans=in_chans,
            embed_dim=embed_dim,
            depths=tuple(depths),  # pyright: ignore[reportArgumentType]
            num_heads=tuple(num_heads),  # pyright: ignore[reportArgumentType]
            window_size=window_size,
            compress_ratio=compress_ratio,
            squeeze_factor=squeeze_factor,
            conv_scale=conv_scale,
            overlap_ratio=overlap_ratio,
            mlp_ratio=mlp_ratio,
            drop_path_rate=0.0,
            use_checkpoint=use_checkpoint,
            upscale=upscale,
            img_range=img_range,
            upsampler=upsampler,
            resi_connection=resi_connection,
        )
    return describe(net, upscale, ("layers.*.conv", "conv_last:input"), window_size)
