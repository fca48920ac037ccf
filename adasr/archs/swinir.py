"""SwinIR, as spandrel implements it."""

from __future__ import annotations

from typing import Literal

from torch import nn

from ..compat import import_torchvision
from ..registry import ARCH_REGISTRY
from .layers import check_divides, check_positive, check_same_length, check_upscale, describe, quiet

# The scales that each way of enlarging can do.
UPSAMPLERS = {
    "pixelshuffle": (1, 2, 3, 4, 8),
    "pixelshuffledirect": (1, 2, 3, 4, 8),
    "nearest+conv": (2, 4, 8),
    "": (1,),
}


@ARCH_REGISTRY.register()
def SwinIR(
    upscale: int = 4,
    in_chans: int = 3,
    img_size: int = 64,
    window_size: int = 8,
    img_range: float = 1.0,
    depths: tuple[int, ...] = (6, 6, 6, 6, 6, 6),
    embed_dim: int = 180,
    num_heads: tuple[int, ...] = (6, 6, 6, 6, 6, 6),
    mlp_ratio: float = 2.0,
    upsampler: Literal["pixelshuffle", "pixelshuffledirect", "nearest+conv", ""] = "pixelshuffle",
    resi_connection: Literal["1conv", "3conv"] = "1conv",
    use_checkpoint: bool = False,
) -> nn.Module:
    """SwinIR (Liang et al., ICCV workshops 2021, arXiv 2108.10257); defaults: classical SR.

    Input (N, in_chans, H, W) in [0, 1], output (N, in_chans, H * upscale, W * upscale). Default
    sites: the convolution at the end of each residual Swin Transformer block (so that noise stays
    in the residual branch), and the input of the last convolution. Stochastic depth is off: what
    regularizes is ``adasr.regularizers``.

    Args:
        upscale: 1, 2, 3, 4 or 8; as the upsampler allows.
        in_chans: channels of the input and output.
        img_size: side of the training input; only sizes a cache of attention masks.
        window_size: side of an attention window.
        img_range: factor on the input inside the network.
        depths: Transformer layers of each residual block.
        embed_dim: channels of the features; a multiple of every entry of num_heads.
        num_heads: attention heads in each residual block.
        mlp_ratio: hidden over embedding channels of the MLPs.
        upsampler: pixelshuffle (classical), pixelshuffledirect (lightweight), nearest+conv
            (real-world), or empty (x1 restoration).
        resi_connection: one convolution or three thin ones at the end of a residual block.
        use_checkpoint: trade time for memory in training.

    Raises:
        OptionError: a value out of range.
    """
    check_upscale(upscale, UPSAMPLERS[upsampler])
    check_positive(in_chans=in_chans, img_size=img_size, window_size=window_size, depths=depths)
    check_positive(embed_dim=embed_dim, num_heads=num_heads, mlp_ratio=mlp_ratio)
    check_positive(img_range=img_range)
    check_same_length(depths=depths, num_heads=num_heads)
    for heads in num_heads:
        check_divides("num_heads", heads, embed_dim=embed_dim)
    import_torchvision()
    from spandrel.architectures.SwinIR import SwinIR as Network

    with quiet():
        net = Network(
            img_size=img_size,
            in_chans=in_chans,
            embed_dim=embed_dim,
            depths=list(depths),
            num_heads=list(num_heads),
            window_size=window_size,
            mlp_ratio=mlp_ratio,
            drop_path_rate=0.0,
            use_checkpoint=use_checkpoint,
            upscale=upscale,
            img_range=img_range,
            upsampler=upsampler,
            resi_connection=resi_connection,
        )
    last = "upsample.0:input" if upsampler == "pixelshuffledirect" else "conv_last:input"
    return describe(net, upscale, ("layers.*.conv", last), window_size)
