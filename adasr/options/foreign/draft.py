"""Options on their way into our keys: changed step by step, each step told and traceable."""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from ...errors import OptionError
from .report import Key, Report


@dataclass(frozen=True)
class Translation:
    """Options in our own keys, and how they came about.

    Args:
        options: in our keys.
        origins: our key -> the key in the file, where the two differ; what lies below a key
            follows it.
        report: lines for a person; none where the file was ours already.
        faults: what cannot be honoured, with the keys of the file.
    """

    options: dict[str, Any]
    origins: Mapping[Key, Key] = field(default_factory=dict)
    report: tuple[str, ...] = ()
    faults: tuple[OptionError, ...] = ()


class Draft:
    """A copy of the options that is turned into ours; what no step touches stays as it is.

    Args:
        options: as the file and ``--set`` say.
        overridden: the keys that ``--set`` gave.
    """

    def __init__(self, options: Mapping[str, Any], overridden: Collection[Key] = ()) -> None:
        self.options: dict[str, Any] = copy.deepcopy(dict(options))
        self._overridden = overridden
        self.origins: dict[Key, Key] = {}
        self.report = Report()
        self.faults: list[OptionError] = []
        self.trains = "train" in self.options or "train" in self.section("datasets")

    def overrides(self, key: Key) -> bool:
        """Whether ``--set`` gave ``key`` or what is around it."""
        return any(key[: len(given)] == given for given in self._overridden)

    def section(self, *key: str) -> dict[str, Any]:
        """The mapping at ``key``; an empty one where there is none."""
        found = self.get(*key)
        return found if isinstance(found, dict) else {}

    def get(self, *key: str) -> Any:
        """The value at ``key``, or None."""
        found: Any = self.options
        for part in key:
            found = found.get(part) if isinstance(found, dict) else None
        return found

    def has(self, *key: str) -> bool:
        """Whether ``key`` is there, with whatever value."""
        *above, name = key
        return name in (self.section(*above) if above else self.options)

    def pop(self, *key: str) -> Any:
        """Take ``key`` out; None where it is not there."""
        *above, name = key
        return (self.section(*above) if above else self.options).pop(name, None)

    def put(self, key: Key, value: Any, origin: Key | None = None) -> None:
        """Set ``key``, its sections made where they are missing; those that are none stay."""
        inside = self.options
        for part in key[:-1]:
            if inside.get(part) is None:
                inside[part] = {}
            inside = inside[part]
            if not isinstance(inside, dict):
                return
        inside[key[-1]] = value
        if origin is not None and origin != key:
            self.origins[key] = origin

    def move(self, old: Key, new: Key) -> None:
        """Rename ``old`` if it is there; a ``new`` that is there already is the user's own."""
        if not self.has(*old):
            return
        value = self.pop(*old)
        wins = self.overrides(old) and not self.overrides(new)
        if self.has(*new) and not wins:
            self.report.unneeded(old, f"{'.'.join(new)} is given")
        else:
            self.put(new, value, old)
            self.report.moved(old, new)

    def change(self, key: Key, value: Any, text: str = "") -> None:
        """Another value at ``key``; ``text`` follows it in the report."""
        self.report.changed(key, f": {self.get(*key)} -> {value}{text}")
        self.put(key, value)

    def fill(self, key: Key, value: Any) -> None:
        """The other project's default, where the file leaves ``key`` out and ours differs."""
        if not self.has(*key):
            self.put(key, value)
            self.report.filled(key, value)

    def unneeded(self, key: Key, why: str) -> None:
        """Take ``key`` out, if it is there: it needs nothing here."""
        if self.has(*key):
            self.pop(*key)
            self.report.unneeded(key, why)

    def refuse(self, key: Key, message: str, hint: str = "") -> None:
        """``key`` asks for something that is not to be had."""
        self.faults.append(OptionError(message, key, hint))
        self.pop(*key)

    def finished(self, headline: str) -> Translation:
        """The result."""
        report = (headline, *(f"  {line}" for line in self.report.lines()))
        return Translation(self.options, self.origins, report, tuple(self.faults))
