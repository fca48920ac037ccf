"""The pixels of PSNR and SSIM on a CPU, in compiled loops.

Numbers are float64: with float32 the variances of an even, bright spot would be off by more than
the score of a small image may be. Columns are summed down before they are added up, which lets
several be computed at a time and always in one order.
"""

from __future__ import annotations

import numpy as np

from ..compiled import compiled

HALF = 5  # of SSIM's window, without its centre: 11 pixels


@compiled
def levels(plane: np.ndarray, scale: float, quantize: bool) -> np.ndarray:
    """A channel as it is scored, (H, W) float64 in [0, 255].

    Args:
        plane: (H, W), float32 or uint8; clamped here. NaN stays NaN.
        scale: 255 for values in [0, 1], 1 for those in [0, 255].
        quantize: round to 8 bits, half to even, after a product in float32: as a file holds it.
    """
    height, width = plane.shape
    out = np.empty((height, width))
    factor, full = np.float32(scale), np.float32(255)
    for y in range(height):
        for x in range(width):
            if quantize:
                value = np.float64(np.rint(np.float32(plane[y, x]) * factor))
            else:
                value = np.float64(plane[y, x]) * scale
            if value < 0:
                value = 0.0
            if value > full:
                value = 255.0
            out[y, x] = value
    return out


@compiled
def luma_of(red: np.ndarray, green: np.ndarray, blue: np.ndarray) -> np.ndarray:
    """Y of BT.601 (studio swing) of three planes in [0, 255], likewise.

    Its values are those of float32, which BasicSR holds it as: nearly identical images score the
    same only so.
    """
    height, width = red.shape
    out = np.empty((height, width))
    full = np.float32(255)
    for y in range(height):
        for x in range(width):
            r = np.float64(np.float32(red[y, x]) / full)
            g = np.float64(np.float32(green[y, x]) / full)
            b = np.float64(np.float32(blue[y, x]) / full)
            luma = 65.481 * r + 128.553 * g + 24.966 * b + 16.0
            out[y, x] = np.float64(np.float32(np.float32(luma / 255.0) * full))
    return out


@compiled
def squared_error(a: np.ndarray, b: np.ndarray) -> float:
    """Sum of squared differences of two planes; exact where they hold whole numbers."""
    height, width = a.shape
    columns = np.zeros(width)
    for y in range(height):
        for x in range(width):
            difference = a[y, x] - b[y, x]
            columns[x] += difference * difference
    return columns.sum()


@compiled
def filter_row(row: np.ndarray, w: np.ndarray, out: np.ndarray) -> None:
    """``row`` weighted by a symmetric window; ``out`` lacks ``HALF`` pixels at either end."""
    for x in range(out.shape[0]):
        out[x] = (
            w[0] * row[x + 5]
            + w[1] * (row[x + 4] + row[x + 6])
            + w[2] * (row[x + 3] + row[x + 7])
            + w[3] * (row[x + 2] + row[x + 8])
            + w[4] * (row[x + 1] + row[x + 9])
            + w[5] * (row[x] + row[x + 10])
        )


@compiled
def filter_column(rows: np.ndarray, part: int, y: int, w: np.ndarray, out: np.ndarray) -> None:
    """The last 11 rows up to ``y``, kept in a ring, likewise."""
    r0, r1, r2 = rows[(y + 1) % 11, part], rows[(y + 2) % 11, part], rows[(y + 3) % 11, part]
    r3, r4, r5 = rows[(y + 4) % 11, part], rows[(y + 5) % 11, part], rows[(y + 6) % 11, part]
    r6, r7, r8 = rows[(y + 7) % 11, part], rows[(y + 8) % 11, part], rows[(y + 9) % 11, part]
    r9, r10 = rows[(y + 10) % 11, part], rows[y % 11, part]
    for x in range(out.shape[0]):
        out[x] = (
            w[0] * r5[x]
            + w[1] * (r4[x] + r6[x])
            + w[2] * (r3[x] + r7[x])
            + w[3] * (r2[x] + r8[x])
            + w[4] * (r1[x] + r9[x])
            + w[5] * (r0[x] + r10[x])
        )


@compiled
def ssim_sum(a: np.ndarray, b: np.ndarray, window: np.ndarray, c1: float, c2: float) -> float:
    """Sum of SSIM over the positions of two planes where the window lies wholly inside.

    SSIM needs the two variances' sum only, so four filtered planes do: both means, the mean of
    a² + b² and that of ab.

    Args:
        a, b: (H, W), at least 11 pixels on each side.
        window: its weights from the centre outwards, (6,).
        c1, c2: the paper's constants.
    """
    height, width = a.shape
    inside = width - 2 * HALF
    squares, products = np.empty(width), np.empty(width)
    rows = np.empty((2 * HALF + 1, 4, inside))
    mean_a, mean_b = np.empty(inside), np.empty(inside)
    square, product = np.empty(inside), np.empty(inside)
    columns = np.zeros(inside)
    for y in range(height):
        for x in range(width):
            squares[x] = a[y, x] * a[y, x] + b[y, x] * b[y, x]
            products[x] = a[y, x] * b[y, x]
        slot = rows[y % 11]
        filter_row(a[y], window, slot[0])
        filter_row(b[y], window, slot[1])
        filter_row(squares, window, slot[2])
        filter_row(products, window, slot[3])
        if y < 2 * HALF:
            continue
        filter_column(rows, 0, y, window, mean_a)
        filter_column(rows, 1, y, window, mean_b)
        filter_column(rows, 2, y, window, square)
        filter_column(rows, 3, y, window, product)
        for x in range(inside):
            both = mean_a[x] * mean_b[x]
            means = mean_a[x] * mean_a[x] + mean_b[x] * mean_b[x]
            covariance = product[x] - both
            variances = square[x] - means
            columns[x] += ((2 * both + c1) * (2 * covariance + c2)) / (
                (means + c1) * (variances + c2)
            )
    return columns.sum()
