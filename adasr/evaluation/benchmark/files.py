"""The files of a benchmark."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import filelock

from ...errors import FileError
from ...files import remove_leftovers, write_text
from ..results import Results
from ..tables import csv_table

RESULTS, SCORES = "results.json", "scores.csv"


def write_files(results: Results, folder: Path) -> list[Path]:
    """Write ``results.json`` and ``scores.csv``.

    Raises:
        FileError: the folder cannot be written, or the disk is full.
    """
    try:
        remove_leftovers(folder)
        results.write(folder / RESULTS)
        write_text(folder / SCORES, csv_table(results.evaluations))
    except OSError as error:
        hint = "The scores are kept: make room and give the same command again."
        raise FileError(
            error.filename or folder, f"cannot be written ({error.strerror})", hint
        ) from None
    return [folder / RESULTS, folder / SCORES]


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """The folder for this process alone.

    Raises:
        FileError: another one works in it, or it cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(folder / ".lock", timeout=0):
            yield
    except filelock.Timeout:
        hint = "Wait for it, or give another folder with -o."
        raise FileError(folder, "is being written to by another benchmark", hint) from None
    except FileExistsError:
        raise FileError(folder, "is a file", "Give a folder with -o.") from None
