"""JPEG compression: the real codec on a CPU, a simulation of it on other devices."""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

JpegMethod = Literal["auto", "codec", "simulated"]

# ISO/IEC 10918-1, tables K.1 and K.2.
_LUMA_TABLE = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)
_CHROMA_TABLE = (
    (17, 18, 24, 47, 99, 99, 99, 99),
    (18, 21, 26, 66, 99, 99, 99, 99),
    (24, 26, 56, 99, 99, 99, 99, 99),
    (47, 66, 99, 99, 99, 99, 99, 99),
    *((99,) * 8 for _ in range(4)),
)
# Rows: Y, Cb, Cr of JFIF.
_TO_YCC = (
    (0.299, 0.587, 0.114),
    (-0.168735892, -0.331264108, 0.5),
    (0.5, -0.418687589, -0.081312411),
)
_TO_RGB = ((1.0, 0.0, 1.402), (1.0, -0.344136286, -0.714136286), (1.0, 1.772, 0.0))


def jpeg(images: Tensor, quality: Tensor, method: JpegMethod = "auto") -> Tensor:
    """Compress and decompress, chroma halved in both directions (4:2:0).

    Args:
        images: (N, 3, H, W) RGB in [0, 1]; rounded to 8 bits first.
        quality: (N,) libjpeg qualities, rounded to whole numbers in [1, 100].
        method: "codec" runs libjpeg on the host, "simulated" computes the same on the images'
            device within about a grey level; "auto" takes the codec for images on the CPU.

    Returns:
        (N, 3, H, W) of whole 8-bit levels in [0, 1].
    """
    quality = quality.round().clamp(1, 100)
    if method == "codec" or (method == "auto" and images.device.type == "cpu"):
        return _codec(images, quality)
    return _simulated(images, quality.to(images.device, images.dtype))


def _codec(images: Tensor, quality: Tensor) -> Tensor:
    levels = (images.detach() * 255).round().clamp(0, 255).to("cpu", torch.uint8)
    result = np.empty(tuple(levels.shape), np.float32)
    for n, value in enumerate(quality.tolist()):
        result[n] = jpeg_codec(levels[n].permute(1, 2, 0).numpy(), int(value)).transpose(2, 0, 1)
    return torch.from_numpy(result).div_(255).to(images.device, images.dtype)


def jpeg_codec(image: np.ndarray, quality: int) -> np.ndarray:
    """One (H, W, 3) uint8 RGB image through libjpeg, 4:2:0."""
    bgr = np.ascontiguousarray(image[..., ::-1])
    _, encoded = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    decoded = cv2.imdecode(encoded, cv2.IMREAD_COLOR)
    if decoded is None:
        raise RuntimeError("OpenCV could not decode its own JPEG")
    return decoded[..., ::-1]


def _simulated(images: Tensor, quality: Tensor) -> Tensor:
    """libjpeg's steps and roundings in floating point.

    kornia's codec is made for gradients: its soft rounding keeps a part of what quantization
    removes, which leaves it further from libjpeg than this by an order of magnitude.
    """
    h, w = images.shape[-2:]
    levels = (images * 255).round().clamp(0, 255)
    levels = F.pad(levels, (0, -w % 16, 0, -h % 16), mode="replicate")
    ycc = torch.einsum("dc,nchw->ndhw", levels.new_tensor(_TO_YCC), levels).round()
    factor = torch.where(quality < 50, (5000 / quality).floor(), 200 - 2 * quality)
    luma = _quantized(ycc[:, :1], _LUMA_TABLE, factor, shift=128.0)
    half = F.avg_pool2d(ycc[:, 1:, : h + h % 2], 2)
    # libjpeg repeats the last row of chroma, but the last column of the image.
    half = F.pad(half, (0, 0, 0, ycc.shape[-2] // 2 - half.shape[-2]), mode="replicate")
    # A mean of four whole numbers is often a tie; libjpeg rounds it down and up in turns.
    half = (half + half.new_tensor([0.25, 0.5]).repeat(half.shape[-1] // 2)).floor()
    chroma = _quantized(half, _CHROMA_TABLE, factor, shift=0.0)
    # libjpeg's "fancy" upsampling is bilinear over the chroma samples of the unpadded image.
    chroma = chroma[..., : (h + 1) // 2, : (w + 1) // 2]
    chroma = F.interpolate(chroma, scale_factor=2, mode="bilinear")[..., :h, :w]
    odd = torch.arange(w, device=chroma.device) % 2
    chroma = (chroma + 0.5 - odd / 16).floor()
    ycc = torch.cat([luma[..., :h, :w], chroma], 1)
    rgb = torch.einsum("dc,nchw->ndhw", ycc.new_tensor(_TO_RGB), ycc)
    return rgb.round().clamp(0, 255) / 255


def _quantized(
    planes: Tensor, table: tuple[tuple[int, ...], ...], factor: Tensor, shift: float
) -> Tensor:
    """(N, C, H, W) levels after quantization of the DCT of their 8x8 blocks."""
    n, c, h, w = planes.shape
    steps = planes.new_tensor(table) * factor.view(-1, 1, 1)
    steps = ((steps + 50) / 100).floor().clamp(1, 255).view(n, 1, 1, 1, 8, 8)
    blocks = (planes - shift).view(n, c, h // 8, 8, w // 8, 8).transpose(3, 4)
    dct = _dct_matrix().to(planes.device, planes.dtype)
    coefficients = _rounded(dct @ blocks @ dct.T / steps) * steps
    blocks = (dct.T @ coefficients @ dct).round() + shift
    low = shift - 128.0
    return blocks.transpose(3, 4).reshape(n, c, h, w).clamp(low, low + 255)


def _rounded(x: Tensor) -> Tensor:
    """Ties away from zero, as in libjpeg; the margin makes up for a tie lost to float32."""
    return x.sign() * (x.abs() + (0.5 + 1e-4)).floor()


def _dct_matrix() -> Tensor:
    """(8, 8) orthonormal DCT-II."""
    k = torch.arange(8, dtype=torch.float64)
    matrix = torch.cos((2 * k + 1) * k[:, None] * (torch.pi / 16)) / 2
    matrix[0] /= 2**0.5
    return matrix
