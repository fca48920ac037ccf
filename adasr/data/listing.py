"""Which files a data set consists of: names, meta-info files, and what to do with a bad file."""

from __future__ import annotations

import itertools
import math
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path, PurePath
from typing import TypeVar

from ..errors import DatasetError, FileError
from .path_list import PathList
from .walking import image_names

T = TypeVar("T")
Problem = tuple[str, str]  # (path, what is wrong with it)

_NEIGHBOURS, _MOST_TRIED = 16, 1000  # files looked at in place of one that cannot be read
_SHAPE = re.compile(r"\s+\(\s*\d+\s*(?:,\s*\d+\s*){1,2}\)$")


def relative_names(files: Iterable[Path], root: Path) -> list[str]:
    """Names relative to ``root`` with ``/`` and without suffix, unique even regardless of case.

    Files that differ in their suffix alone (``a.jpg``, ``a.png``) keep it.
    """
    names = files.names() if isinstance(files, PathList) else _relative(files, root)
    return unique_stems(list(names))


def _relative(files: Iterable[Path], root: Path) -> Iterator[str]:
    return (file.relative_to(root).as_posix() for file in files)


def unique_stems(names: Sequence[str]) -> list[str]:
    """Names without suffix, as ``relative_names`` gives them."""
    stems = [os.path.splitext(name)[0] for name in names]  # noqa: PTH122  a million of them
    counts = Counter(map(str.casefold, stems))
    return [
        stem if counts[stem.casefold()] == 1 else name
        for stem, name in zip(stems, names, strict=True)
    ]


def find_images(root: Path, meta_info: str | None = None, recursive: bool = True) -> PathList:
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
        return PathList(root, image_names(root, recursive))
    if not root.is_dir():
        raise DatasetError(root, "is not a folder", "Check the path; see datasets/README.md.")
    names = [PurePath(name).as_posix() for name in read_meta_info(meta_info)]
    isfile, join = os.path.isfile, os.path.join  # a million times
    missing = [name for name in names if not isfile(join(root, name))]
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise DatasetError(
            meta_info,
            f"names {root / missing[0]}{more}, which does not exist",
            "Write it again with `adasr prepare meta-info`.",
        )
    return PathList(root, names)


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

    After a few neighbours it looks further away, for files that vanish do so by the folder; after
    a thousand it gives up, or a lost disk with a million files would take minutes to tell.

    Raises:
        DatasetError: none that was tried can be used.
    """
    skipped: list[Problem] = []
    for place in itertools.islice(_places(index, count), _MOST_TRIED):
        try:
            return load(place), skipped
        except FileError as error:
            skipped.append((str(error.path), error.problem))
    if not root.exists():
        hint = "Bring it back and go on with --auto-resume; what was saved is untouched."
        raise DatasetError(root, "has disappeared", hint)
    path, problem = skipped[0]
    raise DatasetError(
        root, f"holds no usable image; {path} {problem}", "`adasr check` names every bad file."
    )


def _places(index: int, count: int) -> Iterator[int]:
    """Every index once: ``index``, its neighbours, then the rest in wide steps."""
    near = min(_NEIGHBOURS, count)
    yield from ((index + step) % count for step in range(near))
    stride = next(s for s in itertools.count(max(1, int(count * 0.618))) if math.gcd(s, count) == 1)
    for step in range(count):
        distance = step * stride % count
        if distance >= near:
            yield (index + distance) % count
