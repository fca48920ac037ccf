"""What the compiled loops of several degradations share."""

from __future__ import annotations

from ..compiled import compiled

__all__ = ["compiled", "mirrored"]


@compiled
def mirrored(index: int, length: int) -> int:
    """An index folded into [0, length) by mirrors at the first and the last pixel."""
    if length == 1:
        return 0
    period = 2 * (length - 1)
    index = index % period
    return min(index, period - index)
