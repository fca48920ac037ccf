"""The JPEG simulation that Real-ESRGAN was trained with, BasicSR's DiffJPEG."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from .jpeg_blocks import along_columns, along_rows, constant, quantization_steps, quantize

# Rows: Y, Cb, Cr of JFIF.
_TO_YCC = ((0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))
_TO_RGB = ((1.0, 0.0, 1.402), (1.0, -0.344136, -0.714136), (1.0, 1.772, 0.0))
_DCT = tuple(
    tuple(math.cos((2 * x + 1) * k * math.pi / 16) / (2 if k else math.sqrt(8)) for x in range(8))
    for k in range(8)
)


def released_jpeg(images: Tensor, quality: Tensor) -> Tensor:
    """JPEG as in the released Real-ESRGAN; it equals ``basicsr.utils.DiffJPEG`` to
    1e-5, where that rounds hard (``differentiable=False``).

    It differs from libjpeg in that

    * the quantization tables are transposed: horizontal detail is quantized with the steps that
      are meant for vertical detail, and steps are not rounded to whole numbers;
    * images are padded with black up to multiples of 16, which shows in their last blocks;
    * nothing is rounded to 8 bits: not the image, its luma and chroma, nor the result;
    * halved chroma is repeated rather than interpolated.

    Args:
        images: (N, 3, H, W) in [0, 1].
        quality: (N,) in [1, 100], not rounded. At 100 nothing is lost but chroma, where DiffJPEG
            divides by zero.

    Returns:
        (N, 3, H, W) in [0, 1].
    """
    h, w = images.shape[-2:]
    luma_steps, chroma_steps = quantization_steps(images.device)
    quality = quality.float().clamp(1, 100)
    factor = torch.where(quality < 50, 5000 / quality, 200 - 2 * quality).clamp(min=1e-2) / 100
    factor = factor.view(-1, 1, 1)
    padded = F.pad(images.float().clamp(0, 1) * 255, (0, -w % 16, 0, -h % 16))
    ycc = _mixed(_TO_YCC, padded)
    luma = _coded(ycc[:, :1] - 128, luma_steps.T * factor) + 128
    chroma = _coded(F.avg_pool2d(ycc[:, 1:], 2), chroma_steps.T * factor)
    chroma = F.interpolate(chroma, scale_factor=2, mode="nearest")
    rgb = _mixed(_TO_RGB, torch.cat([luma, chroma], 1))[..., :h, :w]
    return (rgb.clamp(0, 255) / 255).to(images.dtype)


def _mixed(matrix: tuple[tuple[float, ...], ...], images: Tensor) -> Tensor:
    """A (3, 3) matrix times the channels of (N, 3, H, W) images."""
    return (constant(matrix, images.device) @ images.flatten(2)).view_as(images)


def _coded(planes: Tensor, steps: Tensor) -> Tensor:
    """(N, C, H, W) planes around 0 after quantization of the DCT of their blocks."""
    dct = constant(_DCT, planes.device)
    coefficients = quantize(along_columns(dct, along_rows(dct, planes)), steps, torch.round)
    return along_rows(dct.T, along_columns(dct.T, coefficients))
