"""What the computed kinds of JPEG share: tables of steps, and linear maps of 8x8 blocks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

import torch
from torch import Tensor

# ISO/IEC 10918-1, tables K.1 and K.2; rows are vertical frequencies.
_LUMA_STEPS = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)
_CHROMA_STEPS = (
    (17, 18, 24, 47, 99, 99, 99, 99),
    (18, 21, 26, 66, 99, 99, 99, 99),
    (24, 26, 56, 99, 99, 99, 99, 99),
    (47, 66, 99, 99, 99, 99, 99, 99),
    *((99,) * 8 for _ in range(4)),
)


@lru_cache(maxsize=64)
def constant(rows: Sequence[Sequence[float]], device: torch.device) -> Tensor:
    """A float32 matrix that is made once for each device: making it anew would wait for a copy."""
    return torch.tensor(rows, dtype=torch.float64).to(device, torch.float32)


def quantization_steps(device: torch.device) -> tuple[Tensor, Tensor]:
    """The (8, 8) steps of luma and chroma at quality 50."""
    return constant(_LUMA_STEPS, device), constant(_CHROMA_STEPS, device)


def along_rows(matrix: Tensor, planes: Tensor) -> Tensor:
    """(8, 8) ``matrix`` times every run of 8 pixels in the rows of (N, C, H, W) planes."""
    return (planes.unflatten(-1, (-1, 8)) @ matrix.T).flatten(-2)


def along_columns(matrix: Tensor, planes: Tensor) -> Tensor:
    """(8, 8) ``matrix`` times every run of 8 pixels in the columns of (N, C, H, W) planes."""
    return (matrix @ planes.unflatten(-2, (-1, 8))).flatten(-3, -2)


def quantize(
    coefficients: Tensor, steps: Tensor, rounded: Callable[[Tensor], Tensor], scale: float = 1.0
) -> Tensor:
    """Coefficients as whole multiples of their steps.

    Args:
        coefficients: (N, C, H, W), 8x8 blocks side by side.
        steps: (N, 8, 8).
        rounded: how quotients become whole numbers.
        scale: what the coefficients were multiplied with; the result is free of it.
    """
    blocks = coefficients.unflatten(-1, (-1, 8)).unflatten(-3, (-1, 8))
    steps = steps[:, None, None, :, None, :]
    return (rounded(blocks / (steps * scale)) * steps).view_as(coefficients)
