"""What is mended in BasicSR 1.4.2, from outside: each repair only where its fault is found.

That BasicSR imports at all is ``adasr.compat``'s work.
"""

from . import anywhere, on_cpu
from .tools import Repair

__all__ = ["REPAIRS", "Repair", "repair"]

REPAIRS = (*anywhere.REPAIRS, *on_cpu.REPAIRS)
_mended: set[str] = set()


def repair() -> list[str]:
    """Mend what is broken and not mended yet; the names of the repairs made now."""
    wanted = [item for item in REPAIRS if item.name not in _mended and item.found()]
    for item in wanted:
        item.mend()
        _mended.add(item.name)
    return [item.name for item in wanted]
