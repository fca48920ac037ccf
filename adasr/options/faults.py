"""What is wrong with options, and where: every fault of a file in one error."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import OptionError


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong.

    Args:
        place: ``file.yml:12`` or ``--set key=value``.
        error: what, and at which key.
    """

    place: str
    error: OptionError

    def __str__(self) -> str:
        return f"{self.place}: {self.error}"


class OptionsFileError(OptionError):
    """Options that cannot be used, each fault on a line of its own: place, key, what, remedy."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        first = self.faults[0].error
        super().__init__(first.message, first.key, first.hint)
        self.args = (self.faults,)  # what a copy or another process makes it from again

    def __str__(self) -> str:
        return "\n".join(map(str, self.faults))

    def under(self, *prefix: str | int) -> OptionsFileError:
        """Itself: its keys already are whole."""
        return self


class OptionErrors(ValueError):
    """Several faults of one component, their keys seen from inside it; for validators only."""

    def __init__(self, errors: Sequence[OptionError]) -> None:
        self.errors = tuple(errors)
        super().__init__(*self.errors)


def shown(value: Any) -> str:
    """``value`` as it stands in a message, cut when long."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
