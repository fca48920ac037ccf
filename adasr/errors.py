"""What can go wrong because of a user's input, one class each.

Every message names the thing (file, line, key), what is wrong with it and what to do. The command
line prints the message alone and exits with 2; a traceback is kept for faults of our own.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path


class AdasrError(Exception):
    """A user's mistake or an input that cannot be used; the message says what to do."""


class OptionError(AdasrError, ValueError):
    """An option that is unknown, missing, of the wrong type or out of range.

    Args:
        message: what is wrong, without the key's place.
        key: path of the key, outermost first, e.g. ``("network_g", "num_feat")``.
        hint: what to do, as a sentence.
    """

    def __init__(self, message: str, key: tuple[str | int, ...] = (), hint: str = "") -> None:
        self.message, self.key, self.hint = message, tuple(key), hint
        super().__init__(message, key, hint)

    def __str__(self) -> str:
        place = ".".join(map(str, self.key))
        text = f"{place}: {self.message}" if place else self.message
        return f"{text} {self.hint}" if self.hint else text

    def under(self, *prefix: str | int) -> OptionError:
        """The same error, its key seen from further outside."""
        return type(self)(self.message, (*prefix, *self.key), self.hint)


class FileError(AdasrError):
    """A file or folder that cannot be used.

    Args:
        path: the file.
        problem: what is wrong, e.g. ``"is not a readable image"``.
        hint: what to do, as a sentence.
    """

    def __init__(self, path: str | Path, problem: str, hint: str = "") -> None:
        self.path, self.problem, self.hint = Path(path), problem, hint
        super().__init__(path, problem, hint)

    def __str__(self) -> str:
        text = f"{self.path}: {self.problem}."
        return f"{text} {self.hint}" if self.hint else text


class ImageReadError(FileError):
    """An image file that cannot be decoded."""


class ImageWriteError(FileError):
    """An image that cannot be written: a read-only place, a full disk, an unknown format."""


class DatasetError(FileError):
    """A data folder that is missing, empty or does not fit its pair."""


class WeightsError(FileError):
    """A weights file that is unsafe, unreadable or of another network."""


class TrainingError(AdasrError):
    """A training run that cannot go on."""


class UnavailableError(AdasrError):
    """Something optional that is not there: a package, a codec, pretrained weights."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A sentence with the nearest known name, or with all of them when none is near."""
    known = sorted(known)
    lowered = {k.lower(): k for k in known}
    near = difflib.get_close_matches(name.lower(), lowered, n=1, cutoff=0.6)
    if near:
        return f"Did you mean '{lowered[near[0]]}'?"
    return f"Known: {', '.join(known)}." if known else ""
