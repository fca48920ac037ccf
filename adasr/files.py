"""Files that are either whole or not there."""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

_TEMPORARY = re.compile(r"\..*\.part-[a-z0-9_]{8}(\.[^.]*)?")  # as mkstemp names them below
_unfinished: set[Path] = set()


@contextlib.contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """A temporary path beside ``path``; on success it is synced and renamed to ``path``.

    The temporary name keeps the suffix, since encoders choose the format by it. On any error the
    temporary file is removed and ``path`` stays as it was.

    Raises:
        OSError: the folder cannot be written, or the disk is full.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(
        prefix=f".{path.stem[:40]}.part-", suffix=path.suffix, dir=path.parent
    )
    os.close(handle)
    temporary = Path(name)
    _unfinished.add(temporary)
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        temporary.replace(path)
    except OSError as error:
        # A person knows the file by its own name; a full disk names none.
        if error.filename in (name, temporary, None):
            error.filename = str(path)
        raise
    finally:
        temporary.unlink(missing_ok=True)
        _unfinished.discard(temporary)


def discard_unfinished() -> None:
    """Remove what is being written just now: for a process that is about to end on the spot."""
    for temporary in list(_unfinished):
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def remove_leftovers(folder: str | Path, older_than: float = 0.0) -> None:
    """Remove what killed processes left of ``atomic_path``.

    Args:
        folder: where; not in its sub-folders.
        older_than: seconds for which a file must not have been written to. 0 is for a folder that
            nobody else may write to.
    """
    for path in Path(folder).glob(".*.part-*"):
        with contextlib.suppress(OSError):
            old = time.time() - path.stat().st_mtime >= older_than
            if old and _TEMPORARY.fullmatch(path.name) and path.is_file():
                path.unlink(missing_ok=True)


def write_bytes(path: str | Path, data: bytes) -> None:
    """Write ``data`` to ``path`` atomically."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


def write_text(path: str | Path, text: str) -> None:
    """Write ``text`` as UTF-8 to ``path`` atomically."""
    write_bytes(path, text.encode("utf-8"))
