"""Sums over the pixels of two images, in blocks: memory does not grow with the image.

On a CPU the blocks are shared among threads and each is one pass of compiled loops; elsewhere torch
takes bands of all images of a batch at once. Either way numbers are float64 on values in [0, 255].
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor

from .colour import luma
from .loops import levels, luma_of

# Of a block on a CPU: what SSIM holds of it stays in a core's cache.
_ROWS, _COLUMNS = 128, 512
# Of a band elsewhere: bytes of a plane in float64, of which some ten are alive at a time.
_BAND = 2**26

PlaneSum = Callable[[np.ndarray, np.ndarray], float]
BandSum = Callable[[Tensor, Tensor], Tensor]


def block_sums(
    sr: Tensor, gt: Tensor, y_only: bool, quantize: bool, margin: int, total: PlaneSum
) -> list[float]:
    """``total`` of each image of two batches on the CPU, summed over blocks and channels.

    Args:
        sr: (N, C, H, W), uint8 or float in [0, 1].
        gt: the same shape.
        y_only: take the luma in place of the channels.
        quantize: round to 8 bits first.
        margin: by how many rows and columns blocks overlap.
        total: of two planes of one block, float64 in [0, 255].
    """
    one, two = _arrays(sr, gt)
    count, channels, height, width = one.shape
    planes = range(1 if y_only or channels == 1 else channels)
    luma_wanted = y_only and channels > 1

    def work(task: tuple[int, int, slice, slice]) -> float:
        image, channel, rows, columns = task
        pair = []
        for batch in (one, two):
            block = batch[image, slice(None) if luma_wanted else slice(channel, channel + 1)]
            block = np.ascontiguousarray(block[:, rows, columns])
            scale = 1.0 if block.dtype == np.uint8 else 255.0
            parts = [levels(plane, scale, quantize) for plane in block]
            pair.append(luma_of(*parts) if luma_wanted else parts[0])
        return total(*pair)

    tasks = [
        (image, channel, rows, columns)
        for image in range(count)
        for channel in planes
        for rows in _parts(height, _ROWS, margin)
        for columns in _parts(width, _COLUMNS, margin)
    ]
    # The first one alone: numba compiles under a lock that a fork meanwhile would inherit.
    sums = [work(tasks[0])]
    threads = min(torch.get_num_threads(), len(tasks) - 1)
    if threads > 1:
        with ThreadPoolExecutor(threads) as pool:
            sums += pool.map(work, tasks[1:])
    else:
        sums += map(work, tasks[1:])
    each = len(tasks) // count
    return [math.fsum(sums[i * each : (i + 1) * each]) for i in range(count)]


def band_sums(
    sr: Tensor, gt: Tensor, y_only: bool, quantize: bool, margin: int, total: BandSum
) -> list[float]:
    """The same on any device, ``total`` giving the sum (N,) of a band of rows (N, C, h, W)."""
    count, channels, height, width = sr.shape
    rows = max(1, _BAND // (8 * count * channels * width))
    sums = torch.zeros(count, dtype=torch.float64, device=sr.device)
    for part in _parts(height, rows, margin):
        bands = [scored_levels(image[..., part, :], y_only, quantize) for image in (sr, gt)]
        sums += total(*bands)
    return sums.tolist()


def scored_levels(image: Tensor, y_only: bool, quantize: bool) -> Tensor:
    """(..., C, H, W) as it is scored: clamped, rounded, its luma taken; float64 in [0, 255]."""
    if image.dtype == torch.uint8:
        values = image.double()
    elif quantize:
        values = (image.float().clamp(0, 1) * 255).round().double()
    else:
        values = image.float().clamp(0, 1).double() * 255
    return (luma(values / 255) * 255).double() if y_only else values


def _arrays(sr: Tensor, gt: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Both as uint8, or both as float32 in [0, 1]; views where they are already."""
    if sr.dtype == gt.dtype == torch.uint8:
        return sr.numpy(), gt.numpy()
    one, two = (i.float() / 255 if i.dtype == torch.uint8 else i.float() for i in (sr, gt))
    return one.numpy(), two.numpy()


def _parts(length: int, size: int, margin: int) -> Iterator[slice]:
    """Parts of ``size`` positions and ``margin`` pixels more, which the next part has too."""
    for start in range(0, length - margin, size):
        yield slice(start, min(start + size + margin, length))
