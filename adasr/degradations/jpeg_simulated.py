"""libjpeg's integer arithmetic in floating point, batched, on any device."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .jpeg_blocks import along_columns, along_rows, constant, quantization_steps, quantize

# Left half of the DCT times sqrt(8), as libjpeg's accurate integer method rounds it to 13 bits; the
# right half mirrors it, with the opposite sign in odd rows.
_HALF_DCT = (
    (8192, 8192, 8192, 8192),
    (11363, 9633, 6437, 2260),
    (10703, 4433, -4433, -10703),
    (9633, -2259, -11362, -6436),
    (8192, -8192, -8192, 8192),
    (6437, -11362, 2261, 9633),
    (4433, -10704, 10704, -4433),
    (2260, -6436, 9633, -11363),
)
_DCT = tuple(
    tuple(v / 2**13 for v in (*row, *(v * (-1) ** k for v in reversed(row))))
    for k, row in enumerate(_HALF_DCT)
)

_TO_YCC = (
    (19595, 38470, 7471, 2**15),
    (-11059, -21709, 32768, 2**15 - 1),
    (32768, -27439, -5329, 2**15 - 1),
)
# Of chroma alone.
_TO_RGB = ((0, 91881, 2**15), (-22554, -46802, 2**15), (116130, 0, 2**15))


def simulated_jpeg(images: Tensor, quality: Tensor, halved: bool = True) -> Tensor:
    """What libjpeg makes of images.

    Every step is libjpeg's, with its roundings (kornia's codec, which is made for gradients, rounds
    softly and stays far from it). All values are whole numbers that float32 holds, but for the sums
    within the second passes of the DCT, where one in some ten thousands is rounded another way.

    Args:
        images: (N, 3, H, W) in [0, 1].
        quality: (N,), rounded to whole numbers in [1, 100].
        halved: chroma halved in both directions (4:2:0) rather than whole (4:4:4).

    Returns:
        (N, 3, H, W) of whole 8-bit levels in [0, 1].
    """
    h, w = images.shape[-2:]
    luma_steps, chroma_steps = quantization_steps(images.device)
    factor = quality_factor(quality.float().round().clamp(1, 100)).view(-1, 1, 1)
    unit = 16 if halved else 8
    levels = (images.float() * 255).round().clamp(0, 255)
    luma, chroma = to_ycc(F.pad(levels, (0, -w % unit, 0, -h % unit), mode="replicate"))
    luma = coded(luma - 128, scaled_steps(luma_steps, factor))[..., :h, :w] + 128
    chroma = coded(_halved(chroma, h) if halved else chroma, scaled_steps(chroma_steps, factor))
    chroma = _doubled(chroma, h, w) if halved else chroma[..., :h, :w]
    return (to_rgb(luma, chroma).clamp(0, 255) / 255).to(images.dtype)


def quality_factor(quality: Tensor) -> Tensor:
    """What the steps are multiplied with at a quality in [1, 100], in percent."""
    return torch.where(quality < 50, (5000 / quality).floor(), 200 - 2 * quality)


def scaled_steps(table: Tensor, factor: Tensor) -> Tensor:
    """(N, 8, 8) whole steps: an (8, 8) table times (N, 1, 1) factors in percent."""
    return ((table * factor + 50) / 100).floor().clamp(1, 255)


def to_ycc(levels: Tensor) -> tuple[Tensor, Tensor]:
    """Luma (N, 1, H, W) from 0 to 255 and chroma (N, 2, H, W) around 0."""
    ycc = _mixed(_TO_YCC, levels)
    return ycc[:, :1], ycc[:, 1:]


def to_rgb(luma: Tensor, chroma: Tensor) -> Tensor:
    """(N, 3, H, W) levels, not clamped, from luma and chroma as ``to_ycc`` gives them."""
    # Luma is added in the end, for with it the sums would need more than the bits of float32.
    return _mixed(_TO_RGB, chroma).add_(luma)


def _mixed(rows: tuple[tuple[int, ...], ...], planes: Tensor) -> Tensor:
    """Sums of channels with weights of 16 bits, the last of each row being added; rounded down."""
    matrix = constant(rows, planes.device) / 2**16
    n, c, h, w = planes.shape
    weights, offset = matrix[:, :c].expand(n, -1, -1), matrix[:, c:]
    return torch.baddbmm(offset, weights, planes.reshape(n, c, h * w)).floor_().view(n, -1, h, w)


def coded(planes: Tensor, steps: Tensor) -> Tensor:
    """(N, C, H, W) planes around 0 after quantization of their blocks.

    Both DCTs keep two bits more between their passes, as libjpeg does.
    """
    dct = constant(_DCT, planes.device)
    coefficients = _nearest(along_columns(dct, _nearest(along_rows(dct, planes) * 4)) / 4)
    coefficients = quantize(coefficients, steps, _ties_away_from_zero, scale=8.0)
    planes = _nearest(along_columns(dct.T, coefficients) * 4)
    return _nearest(along_rows(dct.T, planes) / 32).clamp(-128, 127)


def _nearest(x: Tensor) -> Tensor:
    return (x + 0.5).floor_()


def _ties_away_from_zero(x: Tensor) -> Tensor:
    return x.sign() * (x.abs() + 0.5).floor()


def _halved(chroma: Tensor, h: int) -> Tensor:
    """Means of 2x2; only the first ``h`` rows are of the image."""
    below = chroma.shape[-2] // 2 - (h + 1) // 2
    chroma = chroma[..., : h + h % 2, :]
    rows = chroma[..., ::2, :] + chroma[..., 1::2, :]
    half = (rows[..., ::2] + rows[..., 1::2]) / 4
    # libjpeg repeats the last row of chroma, but the last column of the image.
    half = F.pad(half, (0, 0, 0, below), mode="replicate")
    # A mean of four whole numbers is often a tie; libjpeg rounds it down and up in turns.
    odd = torch.arange(half.shape[-1], device=half.device) % 2
    return half.add_((1 + odd) / 4).floor_()


def _doubled(chroma: Tensor, h: int, w: int) -> Tensor:
    """libjpeg's "fancy" upsampling, bilinear over the chroma samples of the unpadded image."""
    chroma = chroma[..., : (h + 1) // 2, : (w + 1) // 2]
    if chroma.shape[-1] <= 2:  # too narrow for it: samples are repeated
        return chroma.repeat_interleave(2, -1).repeat_interleave(2, -2)[..., :h, :w]
    chroma = F.interpolate(chroma, scale_factor=2, mode="bilinear")
    odd = torch.arange(chroma.shape[-1], device=chroma.device) % 2
    return chroma.add_(0.5 - odd / 16).floor_()[..., :h, :w]
