"""Correlation of one image with one kernel on a CPU, by whichever way is fastest for the kernel."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

_LOST = 2e-7  # share of a kernel that may be left out; float32 itself loses as much
_DIRECT = 9  # from larger kernels on, a Fourier transform is faster
# Sides whose transforms are fast; powers of two make lines of memory collide.
_SIDES = np.array(
    sorted(
        side
        for power in range(2, 12)
        for odd in (3, 5, 7, 9, 15, 21, 25, 27, 45)
        if (side := odd << power) <= 1 << 12
    )
)


@dataclass(frozen=True)
class Kernel:
    """A kernel without the zeros around it.

    Args:
        table: (k, k) with odd k, float32.
        column: (k,) and
        row: (k,) whose outer product is the table, where there are such.
    """

    table: np.ndarray
    column: np.ndarray | None = None
    row: np.ndarray | None = None

    @property
    def radius(self) -> int:
        """Pixels on each side of the centre."""
        return self.table.shape[0] // 2


def trimmed(kernels: Tensor) -> list[Kernel]:
    """(N, k, k) kernels that sum to 1 cut to what counts, and taken apart where that is exact."""
    tables = kernels.detach().cpu().double().numpy()
    centre = tables.shape[-1] // 2
    side = np.abs(np.arange(-centre, centre + 1))
    ring = np.maximum(side[:, None], side)
    rings = np.stack([np.abs(tables * (ring == r)).sum((1, 2)) for r in range(centre + 1)], 1)
    beyond = rings[:, ::-1].cumsum(1)[:, ::-1]  # what lies at a distance of r or more
    radii = (beyond > _LOST).sum(1) - 1
    middle = tables[:, centre, centre]
    with np.errstate(divide="ignore", invalid="ignore"):
        outer = tables[:, :, centre, None] * tables[:, None, centre] / middle[:, None, None]
        gap = np.abs(outer - tables).sum((1, 2))
    result = []
    for n, radius in enumerate(np.maximum(radii, 0)):
        inside = slice(centre - radius, centre + radius + 1)
        table = tables[n, inside, inside].astype(np.float32)
        if gap[n] <= _LOST:  # False for NaN too
            column = (tables[n, inside, centre] / middle[n]).astype(np.float32)
            result.append(Kernel(table, column, tables[n, centre, inside].astype(np.float32)))
        else:
            result.append(Kernel(table))
    return result


def correlate(image: Tensor, kernel: Kernel) -> Tensor:
    """The part of the correlation that needs no pixel outside.

    Args:
        image: (C, H, W) float32 on the CPU.
        kernel: of radius r.

    Returns:
        (C, H - 2 r, W - 2 r).
    """
    r, (c, h, w) = kernel.radius, image.shape
    if r == 0:
        return image * float(kernel.table[0, 0])
    if kernel.column is None and 2 * r + 1 > _DIRECT:
        return _by_transform(image, kernel.table)
    # Planes one below the other are one image: what their borders do to each other is cut off.
    planes = image.contiguous().numpy().reshape(c * h, w)
    if kernel.column is not None and kernel.row is not None:
        result = cv2.sepFilter2D(planes, -1, kernel.row, kernel.column)
    else:
        result = cv2.filter2D(planes, -1, kernel.table)
    return torch.from_numpy(result).view(c, h, w)[:, r : h - r, r : w - r]


def _by_transform(image: Tensor, table: np.ndarray) -> Tensor:
    h, w = image.shape[-2:]
    size = _fast_side(h), _fast_side(w)
    spectrum = torch.fft.rfft2(image, s=size)
    spectrum *= torch.fft.rfft2(torch.from_numpy(table), s=size).conj()
    k = table.shape[0]
    return torch.fft.irfft2(spectrum, s=size)[:, : h - k + 1, : w - k + 1]


def _fast_side(length: int) -> int:
    place = int(np.searchsorted(_SIDES, length))
    return int(_SIDES[place]) if place < len(_SIDES) else length
