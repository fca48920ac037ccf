"""Refuse option values out of range, in the words a person can act on."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import OptionError


def check_scale(scale: int) -> int:
    """A downscaling factor of at least 1."""
    if scale < 1:
        raise OptionError(f"must be at least 1, got {scale}.", ("scale",))
    return scale


def check_probability(key: str, value: float) -> float:
    """A probability in [0, 1]."""
    if not 0.0 <= value <= 1.0:
        raise OptionError(f"must lie in [0, 1], got {value}.", (key,))
    return float(value)


def check_range(
    key: str, value: Sequence[float], low: float, high: float = float("inf")
) -> tuple[float, float]:
    """Two ordered numbers within [low, high]."""
    if len(value) != 2:
        raise OptionError(f"expected two numbers [low, high], got {list(value)}.", (key,))
    first, last = (float(v) for v in value)
    if not low <= first <= last <= high:
        bounds = f"in [{low:g}, {high:g}]" if high < float("inf") else f"at least {low:g}"
        raise OptionError(f"must be two rising numbers {bounds}, got {list(value)}.", (key,))
    return first, last


def check_weights(key: str, value: Sequence[float], count: int, of: str) -> tuple[float, ...]:
    """``count`` non-negative weights that are not all zero."""
    if len(value) != count:
        raise OptionError(f"expected {count} numbers, one for each {of}, got {len(value)}.", (key,))
    if min(value) < 0 or not 0 < sum(value) < float("inf"):
        raise OptionError(
            f"must be non-negative and not all zero, got {list(value)}.",
            (key,),
        )
    return tuple(float(v) for v in value)
