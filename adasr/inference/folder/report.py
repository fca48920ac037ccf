"""What became of a folder, for people and for programs."""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import dataclass, field
from pathlib import Path

from ...errors import AdasrError, FileError
from ...files import write_text
from .shard import WHOLE, Shard


@dataclass
class FolderReport:
    """What became of each input.

    Attributes:
        done: the files written.
        failures: input file to what is wrong with it.
        skipped: inputs whose output was there already.
        left: inputs that were not reached because the run ended early.
        ended: why it ended early, e.g. a full disk.
    """

    done: list[Path] = field(default_factory=list)
    failures: dict[Path, str] = field(default_factory=dict)
    skipped: list[Path] = field(default_factory=list)
    left: list[Path] = field(default_factory=list)
    ended: str | None = None


def failures_path(target: Path, shard: Shard = WHOLE) -> Path:
    """Where the failures of a run are written: one file for each part of a shared folder."""
    if shard.count == 1:
        return target / "failures.json"
    return target / f"failures-{shard.index}-of-{shard.count}.json"


def write_failures(report: FolderReport, target: Path, shard: Shard = WHOLE) -> Path | None:
    """Write the list of failures, or remove that of an earlier run if there are none.

    Returns:
        The file; None without failures, or if it cannot be written.
    """
    path = failures_path(target, shard)
    with contextlib.suppress(OSError):  # the disk is full: the failures are told anyway
        if report.failures:
            found = [{"file": shown(f), "problem": p} for f, p in report.failures.items()]
            write_text(path, json.dumps({"failures": found}, indent=2, ensure_ascii=False) + "\n")
            return path
        path.unlink(missing_ok=True)
    return None


def problem_with(path: Path, error: Exception) -> str:
    """What is wrong, without the name of the file, which stands before it."""
    if isinstance(error, FileError) and error.path == path:
        return f"{error.problem}. {error.hint}".strip()
    if isinstance(error, AdasrError | ValueError):
        return printable(str(error))
    if isinstance(error, MemoryError):
        return "memory ran out. Close other programs, or cut the image into parts."
    if isinstance(error, OSError) and error.strerror:
        named = f"{error.filename}: " if error.filename else ""
        return printable(f"{named}{error.strerror}")
    return printable(f"{type(error).__name__}: {error}")


def shown(path: Path) -> str:
    """A path that can be printed, also if its bytes are no text."""
    return os.fsencode(path).decode(errors="replace")


def printable(text: str) -> str:
    """``text`` without the halves of characters that stand for such bytes."""
    return text.encode(errors="surrogateescape").decode(errors="replace")
