"""Which parameters made an image: notes that degradations leave where somebody asks for them.

Degradations call ``note`` at each operation; it does nothing unless the caller listens::

    with recorded() as notes:
        lq, gt = degradation(gt[:1], generator)
    print(*notes, sep="\\n")
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Note:
    """One operation and its parameters; ``str`` gives a line for a person."""

    operation: str
    parameters: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        told = [f"{name} {_shown(value)}" for name, value in self.parameters.items()]
        return f"{self.operation}: {', '.join(told)}" if told else self.operation


_listener: ContextVar[list[Note] | None] = ContextVar("adasr_degradation_notes", default=None)


@contextlib.contextmanager
def recorded() -> Iterator[list[Note]]:
    """Collect the notes of everything degraded inside, in the order of the operations.

    Samples of a batch follow each other; degrade one at a time to tell them apart.
    """
    notes: list[Note] = []
    token = _listener.set(notes)
    try:
        yield notes
    finally:
        _listener.reset(token)


def note(operation: str, **parameters: Any) -> None:
    """Leave a note for whoever listens."""
    notes = _listener.get()
    if notes is not None:
        notes.append(Note(operation, parameters))


def listening() -> bool:
    """Whether notes are wanted, for those that cost something to make."""
    return _listener.get() is not None


def _shown(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
