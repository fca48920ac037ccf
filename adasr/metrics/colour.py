"""The luma that super-resolution papers score on."""

from __future__ import annotations

from torch import Tensor

# ITU-R BT.601, studio swing, as MATLAB's rgb2ycbcr: Y in [16, 235] for RGB in [0, 1].
_WEIGHTS = (65.481, 128.553, 24.966)
_OFFSET = 16.0


def luma(image: Tensor) -> Tensor:
    """Y of YCbCr (BT.601, studio swing), float32 (..., 1, H, W) in [16/255, 235/255], not rounded.

    A gray image is its own luma, unchanged, as in BasicSR.

    Args:
        image: (..., 3, H, W) RGB or (..., 1, H, W) gray, in [0, 1].
    """
    if image.shape[-3] == 1:
        return image.float()
    # BasicSR holds RGB and Y as float32; nearly identical images score the same only if we do too.
    red, green, blue = image.float().double().unbind(-3)
    y = _WEIGHTS[0] * red + _WEIGHTS[1] * green + _WEIGHTS[2] * blue + _OFFSET
    return (y / 255).float().unsqueeze(-3)
