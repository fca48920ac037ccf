"""Which files a data set consists of: names, meta-info files, and what to do with a bad file."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from ..errors import DatasetError, FileError
from .images import list_images

T = TypeVar("T")
Problem = tuple[str, str]  # (path, what is wrong with it)

_SHAPE = re.compile(r"\s+\(\s*\d+\s*(?:,\s*\d+\s*){1,2}\)$")


def relative_names(files: Sequence[Path], root: Path) -> list[str]:
    """Names relative to ``root`` with ``/`` and without suffix, unique even regardless of case.

    Files that differ in their suffix alone (``a.jpg``, ``a.png``) keep it.
    """
    stems = [f.relative_to(root).with_suffix("").as_posix() for f in files]
    counts = Counter(s.casefold() for s in stems)
    return [
        s if counts[s.casefold()] == 1 else f.relative_to(root).as_posix()
        for s, f in zip(stems, files, strict=True)
    ]


def find_images(root: Path, meta_info: str | None = None, recursive: bool = True) -> list[Path]:
    """A folder's images, or those of them that a meta-info file names, in its order.

    Args:
        root: the folder.
        meta_info: text file with a path relative to ``root`` per line, BasicSR's
            ``name (h,w,c)`` or the name alone; empty lines are left out.
        recursive: whether sub-folders count too (without ``meta_info``).

    Raises:
        DatasetError: the folder or the meta-info file is missing or empty, or a named file is.
    """
    if meta_info is None:
        return list_images(root, recursive)
    if not root.is_dir():
        raise DatasetError(root, "is not a folder", "Check the path; see datasets/README.md.")
    names = read_meta_info(meta_info)
    files = [root / name for name in names]
    missing = [f for f in files if not f.is_file()]
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise DatasetError(
            meta_info,
            f"names {missing[0]}{more}, which does not exist",
            "Write it again with `adasr prepare meta-info`.",
        )
    return files


def read_meta_info(path: str | Path) -> list[str]:
    """The file names in a meta-info file.

    Raises:
        DatasetError: it is missing, no text or empty.
    """
    hint = "Write it with `adasr prepare meta-info`."
    try:
        text = Path(path).expanduser().read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        raise DatasetError(path, f"cannot be read ({reason})", hint) from None
    names = [_SHAPE.sub("", line.strip()) for line in text.splitlines() if line.strip()]
    if not names:
        raise DatasetError(path, "names no file", hint)
    return names


def load_or_next(
    load: Callable[[int], T], index: int, count: int, root: Path
) -> tuple[T, list[Problem]]:
    """``load(index)``, or the next index (cyclic) whose files can be used, and what was skipped.

    Raises:
        DatasetError: none of the ``count`` can be used.
    """
    skipped: list[Problem] = []
    for step in range(count):
        try:
            return load((index + step) % count), skipped
        except FileError as error:
            skipped.append((str(error.path), error.problem))
    path, problem = skipped[0]
    raise DatasetError(
        root, f"holds no usable image; {path} {problem}", "`adasr check` names every bad file."
    )
