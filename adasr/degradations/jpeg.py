"""JPEG compression: libjpeg itself, a simulation of it on any device, and Real-ESRGAN's own."""

from __future__ import annotations

from typing import Literal, get_args

import cv2
import numpy as np
import torch
from torch import Tensor

from .jpeg_released import released_jpeg
from .jpeg_simulated import simulated_jpeg
from .levels import from_levels, to_levels

JpegMethod = Literal["auto", "codec", "simulated", "released"]
Subsampling = Literal["4:2:0", "4:4:4"]

_SAMPLING_FACTOR = {
    "4:2:0": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420,
    "4:4:4": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
}


@torch.no_grad()
def jpeg(
    images: Tensor,
    quality: Tensor,
    method: JpegMethod = "auto",
    subsampling: Subsampling = "4:2:0",
) -> Tensor:
    """Compress and decompress, each image with its own quality.

    The files that people have come from libjpeg and mostly have halved chroma (4:2:0): that is what
    all methods but "released" give. "codec" and "simulated" round the images to 8 bits first and
    their qualities to whole numbers, and return whole 8-bit levels.

    * "codec" runs libjpeg on the host.
    * "simulated" computes the same on the images' device, without waiting for it. Over photographs
      of many sizes and qualities from 1 to 100 most results are identical to libjpeg's, and the
      lowest PSNR between them was 80 dB.
    * "auto" takes the codec for images on the CPU and the simulation elsewhere.
    * "released" is the simulation that Real-ESRGAN was trained with, see ``released_jpeg``; for
      comparisons with it, not for files as people have them.

    Args:
        images: (N, 3, H, W) RGB in [0, 1], of any size; values outside are clamped.
        quality: (N,) qualities, clamped to [1, 100]; on the images' device where nothing should
            wait for a copy.
        method: one of the above.
        subsampling: "4:2:0" halves chroma in both directions, "4:4:4" keeps it.

    Returns:
        (N, 3, H, W) in [0, 1].

    Raises:
        ValueError: images that are not RGB, qualities that do not fit them, an unknown method, or
            "released" with another subsampling than its own.
    """
    _check(images, quality, method, subsampling)
    if method == "codec" or (method == "auto" and images.device.type == "cpu"):
        return _codec(images, quality, subsampling)
    quality = quality.to(images.device, torch.float32, non_blocking=True)
    with torch.autocast(images.device.type, enabled=False):
        if method == "released":
            return released_jpeg(images, quality)
        return simulated_jpeg(images, quality, halved=subsampling == "4:2:0")


def jpeg_codec(image: np.ndarray, quality: int, subsampling: Subsampling = "4:2:0") -> np.ndarray:
    """One (H, W, 3) uint8 RGB image through libjpeg."""
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    return cv2.cvtColor(_bgr_codec(bgr, quality, subsampling), cv2.COLOR_BGR2RGB)


def _check(images: Tensor, quality: Tensor, method: str, subsampling: str) -> None:
    if images.dim() != 4 or images.shape[1] != 3:
        raise ValueError(f"expected (N, 3, H, W) RGB images, got {tuple(images.shape)}")
    if tuple(quality.shape) != (len(images),):
        raise ValueError(
            f"expected one quality for each of {len(images)} images, got {tuple(quality.shape)}"
        )
    if method not in get_args(JpegMethod):
        raise ValueError(f"unknown JPEG method {method!r}; there are {get_args(JpegMethod)}")
    if subsampling not in _SAMPLING_FACTOR:
        raise ValueError(f"unknown subsampling {subsampling!r}; there are {get_args(Subsampling)}")
    if method == "released" and subsampling != "4:2:0":
        raise ValueError(f"released JPEG always halves chroma, {subsampling} was asked for")


def _codec(images: Tensor, quality: Tensor, subsampling: Subsampling) -> Tensor:
    planes = images.detach().to("cpu", torch.float32).contiguous().numpy()
    result = np.empty_like(planes)
    for image, value, out in zip(planes, quality.tolist(), result, strict=True):
        code_part(image, value, out, subsampling=subsampling)
    return torch.from_numpy(result).to(images.device, images.dtype)


def code_part(
    image: np.ndarray,
    quality: float,
    result: np.ndarray,
    top: int = 0,
    left: int = 0,
    subsampling: Subsampling = "4:2:0",
) -> None:
    """Put a part of a coded image into ``result``.

    Args:
        image: (3, H, W) float32 RGB in [0, 1]; values outside are clamped.
        quality: rounded and clamped to [1, 100].
        result: (3, h, w), float32.
        top: row of the image that is the first of the result.
        left: its column.
        subsampling: see ``jpeg``.
    """
    levels = np.empty(image.shape, np.uint8)
    to_levels(image.reshape(3, -1), levels.reshape(3, -1))
    whole = min(max(round(quality), 1), 100)
    decoded = _bgr_codec(cv2.merge(list(levels[::-1])), whole, subsampling)
    height, width = result.shape[1:]
    decoded = decoded[top : top + height, left : left + width]
    from_levels(np.stack(cv2.split(decoded)[::-1]), result)


def _bgr_codec(image: np.ndarray, quality: int, subsampling: Subsampling) -> np.ndarray:
    options = [cv2.IMWRITE_JPEG_QUALITY, quality]
    options += [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, _SAMPLING_FACTOR[subsampling]]
    decoded = cv2.imdecode(cv2.imencode(".jpg", image, options)[1], cv2.IMREAD_COLOR)
    if decoded is None:
        raise RuntimeError("OpenCV could not decode its own JPEG")
    return decoded
