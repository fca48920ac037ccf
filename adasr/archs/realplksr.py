"""RealPLKSR, as spandrel implements it."""

from __future__ import annotations

from torch import nn

from ..compat import import_torchvision
from ..errors import OptionError
from ..registry import ARCH_REGISTRY
from .layers import check_divides, check_positive, check_upscale, describe


@ARCH_REGISTRY.register()
def RealPLKSR(
    upscale: int = 4,
    dim: int = 64,
    n_blocks: int = 28,
    kernel_size: int = 17,
    split_ratio: float = 0.25,
    use_ea: bool = True,
    norm_groups: int = 4,
    dysample: bool = False,
    layer_norm: bool = False,
) -> nn.Module:
    """RealPLKSR, PLKSR (Lee et al., arXiv 2404.11848) with group normalization, as in neosr.

    Input (N, 3, H, W) in [0, 1], output (N, 3, H * upscale, W * upscale). Default sites: the output
    of each block's first convolution, before its activation, and the input of the last convolution.

    Args:
        upscale: 1, 2, 3, 4 or 8.
        dim: channels of the features.
        n_blocks: number of blocks.
        kernel_size: side of the large kernels; odd.
        split_ratio: share of the channels that the large kernels see, in (0, 1].
        use_ea: element-wise attention.
        norm_groups: groups of the group normalization; divides dim.
        dysample: enlarge with DySample instead of pixel shuffling.
        layer_norm: layer instead of group normalization.

    Raises:
        OptionError: a value out of range.
    """
    check_upscale(upscale, (1, 2, 3, 4, 8))
    check_positive(dim=dim, n_blocks=n_blocks, kernel_size=kernel_size, norm_groups=norm_groups)
    check_divides("norm_groups", norm_groups, dim=dim)
    if kernel_size % 2 == 0:
        raise OptionError(f"must be odd, got {kernel_size}.", ("kernel_size",))
    if not 0 < split_ratio <= 1 or int(dim * split_ratio) < 1:
        raise OptionError(
            f"must lie in (0, 1] and leave a channel of {dim}, got {split_ratio}.",
            ("split_ratio",),
        )
    import_torchvision()
    from spandrel.architectures.PLKSR import RealPLKSR as Network

    net = Network(
        dim=dim,
        n_blocks=n_blocks,
        upscaling_factor=upscale,
        kernel_size=kernel_size,
        split_ratio=split_ratio,
        use_ea=use_ea,
        norm_groups=norm_groups,
        dropout=0.0,
        dysample=dysample,
        layer_norm=layer_norm,
    )
    return describe(net, upscale, ("feats.*.channel_mixer.0", f"feats.{n_blocks + 2}:input"))
