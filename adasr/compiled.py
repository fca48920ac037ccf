"""Functions that numba compiles at their first call and keeps on disk for the next process.

They are for loops that would otherwise be several passes over memory. They let go of the
interpreter, so that samples of a batch, or parts of an image, run in threads, and they compute each
element in one order, whatever the number of threads.

A process must not fork while one of its threads compiles: the child would wait for numba's lock.
"""

from __future__ import annotations

import contextlib
import hashlib
import warnings
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numba

_MATHS = {"contract", "nsz"}  # products and sums in one go; NaN and infinity stay what they are


def compiled(function: Callable[..., Any]) -> Any:
    """The function as machine code; for NumPy arrays and numbers."""
    options = {"nogil": True, "fastmath": _MATHS, "error_model": "numpy"}
    try:
        made: Any = numba.njit(cache=True, **options)(function)
    except RuntimeError:
        _warn_of_no_folder()
        return numba.njit(**options)(function)
    _guard(getattr(made, "_cache", None), Path(function.__code__.co_filename).parent)
    return made


@lru_cache(maxsize=1)
def _warn_of_no_folder() -> None:
    warnings.warn(
        "no folder can be written to keep compiled functions in, so that every process compiles "
        "them again, for some 15 seconds. Set NUMBA_CACHE_DIR to a folder that can.",
        stacklevel=3,
    )


def _guard(cache: Any, package: Path) -> None:
    """Make what is kept belong to all sources of a package, and damage mean to compile again.

    By itself numba looks at the function's own file only, and misses a change of another one that
    it calls.
    """
    file = getattr(cache, "_cache_file", None)
    if file is None:  # numba was told not to compile
        return
    file._source_stamp = (file._source_stamp, _sources(package))
    save, load = cache.save_overload, cache.load_overload

    def save_if_possible(*args: Any) -> None:
        with contextlib.suppress(OSError):  # a full disk
            save(*args)

    def load_if_readable(*args: Any) -> Any:
        try:
            return load(*args)
        except Exception:  # unpickling raises whatever the damage leads to
            with contextlib.suppress(OSError):
                cache.flush()
            return None

    cache.save_overload, cache.load_overload = save_if_possible, load_if_readable


@lru_cache(maxsize=8)
def _sources(package: Path) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for path in (Path(__file__), *sorted(package.glob("*.py"))):
        digest.update(path.read_bytes())
    return digest.hexdigest()
