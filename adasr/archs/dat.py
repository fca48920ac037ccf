"""DAT, as spandrel implements it."""

from __future__ import annotations

from typing import Literal

from torch import nn

from ..compat import import_torchvision
from ..errors import OptionError
from ..registry import ARCH_REGISTRY
from .layers import check_divides, check_positive, check_same_length, check_upscale, describe, quiet


@ARCH_REGISTRY.register()
def DAT(
    upscale: int = 4,
    in_chans: int = 3,
    img_size: int = 64,
    img_range: float = 1.0,
    split_size: tuple[int, ...] = (8, 32),
    depth: tuple[int, ...] = (6, 6, 6, 6, 6, 6),
    embed_dim: int = 180,
    num_heads: tuple[int, ...] = (6, 6, 6, 6, 6, 6),
    expansion_factor: float = 4.0,
    resi_connection: Literal["1conv", "3conv"] = "1conv",
    upsampler: Literal["pixelshuffle", "pixelshuffledirect"] = "pixelshuffle",
    use_chk: bool = False,
) -> nn.Module:
    """DAT, the dual aggregation Transformer (Chen et al., ICCV 2023, arXiv 2308.03364).

    Input (N, in_chans, H, W) in [0, 1], output (N, in_chans, H * upscale, W * upscale); the
    network pads to its windows itself. Default sites: the convolution at the end of each residual
    group (so that noise stays in the residual branch), and the input of the last convolution.
    Stochastic depth is off: what regularizes is ``adasr.regularizers``.

    Args:
        upscale: 1, 2, 3, 4 or 8.
        in_chans: channels of the input and output.
        img_size: side of the training input; only sizes a cache of attention masks.
        img_range: factor on the input inside the network.
        split_size: height and width of an attention window.
        depth: Transformer blocks of each residual group.
        embed_dim: channels of the features; a multiple of every entry of num_heads.
        num_heads: attention heads in each residual group; even.
        expansion_factor: hidden over embedding channels of the feed-forward networks.
        resi_connection: one convolution or three thin ones at the end of a residual group.
        upsampler: pixelshuffle, or pixelshuffledirect for the light version.
        use_chk: trade time for memory in training.

    Raises:
        OptionError: a value out of range.
    """
    check_upscale(upscale, (1, 2, 3, 4, 8))
    check_positive(in_chans=in_chans, img_size=img_size, split_size=split_size, depth=depth)
    check_positive(embed_dim=embed_dim, num_heads=num_heads, expansion_factor=expansion_factor)
    check_positive(img_range=img_range)
    if len(split_size) != 2:
        raise OptionError(f"must be a height and a width, got {split_size}.", ("split_size",))
    if embed_dim < 32:  # the position biases have a thirty-second of the channels
        raise OptionError(f"must be at least 32, got {embed_dim}.", ("embed_dim",))
    check_same_length(depth=depth, num_heads=num_heads)
    for heads in num_heads:
        check_divides("num_heads", heads, embed_dim=embed_dim)
        if heads % 2:
            raise OptionError(f"must be even, got {heads}.", ("num_heads",))
    import_torchvision()
    from spandrel.architectures.DAT import DAT as Network

    with quiet():
        net = Network(
            img_size=img_size,
            in_chans=in_chans,
            embed_dim=embed_dim,
            split_size=list(split_size),
            depth=list(depth),
            num_heads=list(num_heads),
            expansion_factor=expansion_factor,
            drop_path_rate=0.0,
            use_chk=use_chk,
            upscale=upscale,
            img_range=img_range,
            resi_connection=resi_connection,
            upsampler=upsampler,
        )
    last = "upsample.0:input" if upsampler == "pixelshuffledirect" else "conv_last:input"
    return describe(net, upscale, ("layers.*.conv", last))
