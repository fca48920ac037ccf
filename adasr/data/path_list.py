"""Paths of a million files in the memory of their names."""

from __future__ import annotations

import bisect
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import overload

import numpy as np


class PathList(Sequence[Path]):
    """Files of one or several folders: one buffer of names in place of an object for each.

    A million ``Path`` take hundreds of megabytes, and every worker process that touches them makes
    a copy; a buffer is shared by forked workers and quickly sent to spawned ones.

    Args:
        root: folder that the names are relative to.
        names: of files, with ``/``.
    """

    def __init__(self, root: str | Path, names: Iterable[str]) -> None:
        encoded = [os.fsencode(name) for name in names]
        self.roots, self.root_ends = [Path(root)], [len(encoded)]
        self._text = b"".join(encoded)
        lengths = np.fromiter(map(len, encoded), np.int64, len(encoded))
        self._ends = np.cumsum(lengths)

    def __add__(self, other: PathList) -> PathList:
        joined = PathList(self.roots[0], ())
        joined.roots = self.roots + other.roots
        joined.root_ends = self.root_ends + [len(self) + end for end in other.root_ends]
        joined._text = self._text + other._text
        joined._ends = np.concatenate([self._ends, len(self._text) + other._ends])
        return joined

    def __len__(self) -> int:
        return len(self._ends)

    def name(self, index: int) -> str:
        """The name of a file, relative to its folder, with ``/``."""
        begin = self._ends[index - 1] if index else 0
        return os.fsdecode(self._text[begin : self._ends[index]])

    def names(self) -> Iterator[str]:
        """The names of all files in order."""
        return map(self.name, range(len(self)))

    def folders(self) -> Iterator[tuple[str, int, int]]:
        """(absolute path, first index, end) of each folder."""
        begin = 0
        for root, end in zip(self.roots, self.root_ends, strict=True):
            yield os.path.abspath(root), begin, end  # noqa: PTH100  links stay
            begin = end

    @overload
    def __getitem__(self, index: int) -> Path: ...
    @overload
    def __getitem__(self, index: slice) -> list[Path]: ...
    def __getitem__(self, index: int | slice) -> Path | list[Path]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        index = range(len(self))[index]
        return Path(self.roots[bisect.bisect_right(self.root_ends, index)], self.name(index))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence):
            return NotImplemented
        return len(self) == len(other) and all(a == b for a, b in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]

    def arrays(self) -> dict[str, np.ndarray]:
        """All that tells this list from another one, as arrays for a file."""
        return {
            "roots": np.array([folder for folder, _, _ in self.folders()]),
            "root_ends": np.array(self.root_ends),
            "text": np.frombuffer(self._text, np.uint8),
            "ends": self._ends,
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> PathList:
        """The list that gave these ``arrays``."""
        made = cls("", ())
        made.roots = [Path(root) for root in arrays["roots"].tolist()]
        made.root_ends = arrays["root_ends"].tolist()
        made._text, made._ends = arrays["text"].tobytes(), arrays["ends"]
        return made
