"""Correlation of one image with one kernel on a CPU, by whichever way is faster for the kernel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .compiled import compiled

_LOST = 2e-6  # share of a kernel that may be left out: 1/2000 of an 8-bit level
_PRODUCTS = 180  # multiplications of a pixel by which a Fourier transform has caught up
_CHUNK = 2048  # pixels that are computed in one go; they and what they hang on stay in the cache
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
        columns: (r, k) and
        rows: (r, k), float32, whose outer products sum to the table.
    """

    table: np.ndarray
    columns: np.ndarray
    rows: np.ndarray

    @property
    def radius(self) -> int:
        """Pixels on each side of the centre."""
        return self.table.shape[0] // 2


def trimmed(kernels: Tensor) -> list[Kernel]:
    """(N, k, k) kernels that sum to 1, cut to what counts and taken apart into products."""
    tables = kernels.detach().cpu().double().numpy()
    return [_trimmed(table) for table in tables]


def _trimmed(table: np.ndarray) -> Kernel:
    radius = _radius(table, _LOST)
    inside = slice(table.shape[0] // 2 - radius, table.shape[0] // 2 + radius + 1)
    table = table[inside, inside]
    columns, rows = _products(table, _LOST)
    return Kernel(table.astype(np.float32), columns, rows)


def correlate(image: Tensor, kernel: Kernel) -> Tensor:
    """The part of the correlation that needs no pixel outside.

    Args:
        image: (C, H, W) float32 on the CPU.
        kernel: of radius r.

    Returns:
        (C, H - 2 r, W - 2 r).
    """
    if kernel.rows.size > _PRODUCTS:
        return _by_transform(image, kernel.table)
    r, (c, h, w) = kernel.radius, image.shape
    result = torch.empty(c, h - 2 * r, w - 2 * r)
    sum_of_products(image.contiguous().numpy(), kernel.columns, kernel.rows, result.numpy())
    return result


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


@compiled
def _radius(table, lost):
    """Of the smallest square around the centre outside which no more than ``lost`` lies."""
    centre = table.shape[0] // 2
    beyond = 0.0
    for radius in range(centre, 0, -1):
        low, high = centre - radius, centre + radius
        for i in range(low, high + 1):
            beyond += abs(table[low, i]) + abs(table[high, i])
        for i in range(low + 1, high):
            beyond += abs(table[i, low]) + abs(table[i, high])
        if not beyond <= lost:  # NaN stays inside
            return radius
    return 0


@compiled
def _products(table, lost):
    """Columns and rows whose products are the table but for ``lost``, the largest entry first."""
    left = table.copy()
    k = len(table)
    columns, rows = np.empty((k, k), np.float32), np.empty((k, k), np.float32)
    for rank in range(k):
        total, most, y, x = 0.0, -1.0, 0, 0
        for i in range(k):
            for j in range(k):
                size = abs(left[i, j])
                total += size
                if size > most:
                    most, y, x = size, i, j
        if total <= lost:
            return columns[:rank].copy(), rows[:rank].copy()
        column, row = left[:, x].copy(), left[y] / left[y, x]
        columns[rank], rows[rank] = column, row
        for i in range(k):
            for j in range(k):
                left[i, j] -= column[i] * row[j]
    return columns, rows


@compiled
def sum_of_products(image, columns, rows, result):
    """Correlate planes with the sum of outer products of ``columns`` and ``rows``, (r, k) each.

    Several rows at a time are one long line, whose parts between rows are thrown away.
    """
    channels, height, width = result.shape
    k, line = rows.shape[1], image.shape[2]
    many = min(height, max(1, _CHUNK // line))
    down = np.empty((many - 1) * line + width + k - 1, np.float32)
    done = np.empty((many - 1) * line + width, np.float32)
    for c in range(channels):
        plane = image[c].reshape(-1)
        for y in range(0, height, many):
            here = min(many, height - y)
            n = (here - 1) * line + width
            done[:n] = 0
            for rank in range(len(rows)):
                down[: n + k - 1] = 0
                _add_weighted(plane[y * line :], line, columns[rank], down, n + k - 1)
                _add_weighted(down, 1, rows[rank], done, n)
            for i in range(here):
                result[c, y + i] = done[i * line : i * line + width]


@compiled
def _add_weighted(source, step, weights, result, n):
    """Add ``source`` to n values of the result as often as there are weights, a step further on.

    Eight at a time: each value of the result is then read and written an eighth as often.
    """
    t, count = 0, len(weights)
    while t + 8 <= count:
        a, b, c, d = weights[t], weights[t + 1], weights[t + 2], weights[t + 3]
        e, f, g, h = weights[t + 4], weights[t + 5], weights[t + 6], weights[t + 7]
        at = t * step
        sa, sb, sc = source[at:], source[at + step :], source[at + 2 * step :]
        sd, se, sf = source[at + 3 * step :], source[at + 4 * step :], source[at + 5 * step :]
        sg, sh = source[at + 6 * step :], source[at + 7 * step :]
        for i in range(n):
            first = a * sa[i] + b * sb[i] + c * sc[i] + d * sd[i]
            result[i] += first + e * se[i] + f * sf[i] + g * sg[i] + h * sh[i]
        t += 8
    while t + 3 <= count:
        a, b, c = weights[t], weights[t + 1], weights[t + 2]
        sa, sb, sc = source[t * step :], source[(t + 1) * step :], source[(t + 2) * step :]
        for i in range(n):
            result[i] += a * sa[i] + b * sb[i] + c * sc[i]
        t += 3
    while t < count:
        a, sa = weights[t], source[t * step :]
        for i in range(n):
            result[i] += a * sa[i]
        t += 1
