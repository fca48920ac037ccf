"""Functions that numba compiles at their first call and keeps on disk for the next process.

They are for loops that would otherwise be several passes over memory. They let go of the
interpreter, so that samples of a batch run in threads, and they compute each element in one order,
whatever the number of threads.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import numba

_MATHS = {"contract", "nsz"}  # products and sums in one go; NaN and infinity stay what they are


def compiled(function: Callable[..., Any]) -> Any:
    """The function as machine code; for NumPy arrays and numbers."""
    options = {"nogil": True, "fastmath": _MATHS, "error_model": "numpy"}
    try:
        made: Any = numba.njit(cache=True, **options)(function)
    except RuntimeError:  # no folder to keep it in can be written to
        return numba.njit(**options)(function)
    save = made._cache.save_overload

    def save_if_possible(*args: Any) -> None:
        with contextlib.suppress(OSError):  # a full disk: the next process compiles it again
            save(*args)

    made._cache.save_overload = save_if_possible
    return made


@compiled
def mirrored(index: int, length: int) -> int:
    """An index folded into [0, length) by mirrors at the first and the last pixel."""
    if length == 1:
        return 0
    period = 2 * (length - 1)
    index = index % period
    return min(index, period - index)
