"""What a translation tells a person: which keys became what, and which need nothing here."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..faults import shown

Key = tuple[str, ...]

_SHOWN = 4  # of the names in a line
_WORDS = {True: "true", False: "false", None: "none"}


class Report:
    """Collects what was done and words it, one short line for each change.

    What happens alike to several datasets is told once, for ``datasets.*``.
    """

    def __init__(self) -> None:
        self._changes: list[tuple[Key, str]] = []
        self._moves: dict[tuple[Key, Key], list[str]] = {}
        self._filled: list[tuple[Key, str]] = []
        self._unneeded: dict[str, list[Key]] = {}
        self._notes: list[str] = []

    def changed(self, key: Key, text: str) -> None:
        """``key`` became something else, as ``text`` says."""
        self._changes.append((key, text))

    def moved(self, old: Key, new: Key) -> None:
        """``old`` is called ``new`` here."""
        if old[-1] == new[-1]:
            self._moves.setdefault((old[:-1], new[:-1]), []).append(old[-1])
        else:
            self.changed(old, f"-> {new[-1] if old[:-1] == new[:-1] else dotted(new)}")

    def renamed(self, names: Iterable[tuple[str, str]]) -> None:
        """Datasets got other names."""
        self.changed(("datasets",), f": {_listed([f'{old} -> {new}' for old, new in names])}")

    def filled(self, key: Key, value: Any) -> None:
        """``key`` is left out, which means ``value`` in the file's own project."""
        word = _WORDS[value] if value is None or isinstance(value, bool) else shown(value)
        self._filled.append((key, f" {word}"))

    def unneeded(self, key: Key, why: str) -> None:
        """``key`` needs no counterpart."""
        self._unneeded.setdefault(why, []).append(key)

    def note(self, text: str) -> None:
        """Something to know."""
        self._notes.append(text)

    def lines(self) -> list[str]:
        """The report, without a headline."""
        told = [f"{key}{' ' if text[0] == '-' else ''}{text}" for key, text in _once(self._changes)]
        for (old, new), names in self._moves.items():
            place = f"{dotted(old)}: " if old else ""
            told.append(f"{place}{_listed(names)} -> {dotted(new) or 'top level'}")
        if self._filled:
            filled = [key + text for key, text in _once(self._filled)]
            told.append(f"its defaults: {', '.join(filled)}")
        if self._unneeded:
            told.append(f"not needed here: {'; '.join(map(self._reason, self._unneeded))}")
        return [*told, *(f"note: {note}" for note in self._notes)]

    def _reason(self, why: str) -> str:
        keys = dict.fromkeys(key for key, _ in _once((k, "") for k in self._unneeded[why]))
        return f"{', '.join(keys)} ({why})"


def dotted(key: Key) -> str:
    """``train.total_iter``."""
    return ".".join(key)


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{', '.join(names[:_SHOWN])}{more}"


def _once(entries: Iterable[tuple[Key, str]]) -> list[tuple[str, str]]:
    """Keys as text; those of several datasets with the same text as one."""
    groups: dict[tuple[Key, str], list[Key]] = {}
    for key, text in entries:
        inside = key[0] == "datasets" and len(key) > 2
        pattern = ("datasets", "*", *key[2:]) if inside else key
        groups.setdefault((pattern, text), []).append(key)
    return [
        (dotted(keys[0] if len(keys) == 1 else pattern), text)
        for (pattern, text), keys in groups.items()
    ]
