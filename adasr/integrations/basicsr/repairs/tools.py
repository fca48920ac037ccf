"""How a repair is made without touching BasicSR's files."""

from __future__ import annotations

import contextlib
import importlib
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Repair:
    """One fault and what mends it.

    Args:
        name: for messages and tests.
        found: whether the fault is there; not asked again once it is mended.
        mend: takes it away.
    """

    name: str
    found: Callable[[], bool]
    mend: Callable[[], None]


def basicsr(name: str) -> Any:
    """A module of BasicSR, e.g. ``basicsr("utils.options")``."""
    return importlib.import_module(f"basicsr.{name}")


def replace(original: Callable[..., Any], wrapper: Callable[..., Any]) -> None:
    """Put ``wrapper`` in place of a function wherever a module of BasicSR holds it by name."""
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] == "basicsr":
            for key, value in list(vars(module).items()):
                if value is original:
                    setattr(module, key, wrapper)


@contextlib.contextmanager
def swapped(owner: Any, name: str, value: Any) -> Iterator[None]:
    """``owner.name`` is ``value`` for as long as a function of BasicSR runs."""
    original = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, original)
