"""Finding the image files below a folder, a million of them in seconds."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from ..errors import DatasetError

IMAGE_SUFFIXES = frozenset(
    suffix
    for family in (
        ".png .jpg .jpeg .jpe .webp .bmp .avif .heic .heif",
        ".tif .tiff .gif .jp2 .ppm .pgm .pbm .pnm",
    )
    for suffix in family.split()
)

_DIGITS = re.compile("[0-9]+")
_END = "\0\0"  # no name holds a zero


def image_names(
    folder: str | Path,
    recursive: bool = True,
    on_unreadable: Callable[[Path, OSError], None] | None = None,
) -> list[str]:
    """A folder's image files by suffix, relative to it with ``/``, in natural order.

    Natural order is img2 before img10. Hidden files and folders are left out; links to folders are
    followed.

    Args:
        folder: where to look.
        recursive: whether sub-folders count too.
        on_unreadable: called with each sub-folder that cannot be read, and with each link that
            leads nowhere; both are left out. Without it such a folder is an error, and links are
            left out in silence.

    Raises:
        DatasetError: the folder is missing, is no folder, cannot be read or holds no image.
    """
    folder = Path(folder)
    if not folder.exists():
        raise DatasetError(folder, "does not exist", "Check the path; see datasets/README.md.")
    if not folder.is_dir():
        raise DatasetError(folder, "is a file, not a folder", "Give the folder that holds it.")
    try:
        # The key ends in the name itself: two lists of a million names would be one too many.
        keys = [_sort_key(name) for name in _walk(str(folder), recursive, on_unreadable)]
    except OSError as error:
        problem = f"cannot be read ({error.strerror})"
        raise DatasetError(error.filename or folder, problem, "Check its permissions.") from None
    if not keys:
        known = " ".join(sorted(IMAGE_SUFFIXES))
        deeper = "" if recursive else " or its sub-folders are not searched"
        raise DatasetError(folder, "holds no image", f"The suffix must be one of {known}{deeper}.")
    keys.sort()
    return [key[key.rindex(_END) + len(_END) :] for key in keys]


def list_images(
    folder: str | Path,
    recursive: bool = True,
    on_unreadable: Callable[[Path, OSError], None] | None = None,
) -> list[Path]:
    """The image files of a folder; see ``image_names``."""
    return [Path(folder, name) for name in image_names(folder, recursive, on_unreadable)]


def _sort_key(name: str) -> str:
    """One string that sorts as (text, number, text, ..., name), with text regardless of case.

    A zero ends a text, so that the shorter of two comes first; a number begins with how many
    digits it has, so that the longer one is the larger one.
    """
    return f"{_DIGITS.sub(_number, name.casefold())}{_END}{name}"


def _number(match: re.Match[str]) -> str:
    digits = match[0].lstrip("0")
    return f"\0{chr(len(digits) + 1)}{digits}"


def _walk(
    folder: str, recursive: bool, on_unreadable: Callable[[Path, OSError], None] | None
) -> Iterator[str]:
    """Names of image files; the system is asked about links only, it tells the rest by itself."""
    seen = {os.path.realpath(folder)}  # a link to a parent must not loop
    waiting = [("", os.path.realpath(folder))]
    while waiting:
        inside, real_place = waiting.pop()
        links: dict[str, str] = {}
        try:
            found = os.scandir(os.path.join(folder, inside))  # noqa: PTH118  a million times
        except OSError as error:
            if not inside or on_unreadable is None:
                raise
            on_unreadable(Path(folder, inside), error)
            continue
        with found as entries:
            for entry in entries:
                name = entry.name
                if name[0] == ".":
                    continue
                if _is(entry.is_dir):
                    real = f"{real_place}{os.sep}{name}"
                    links[name] = os.path.realpath(entry.path) if entry.is_symlink() else real
                elif name[name.rfind(".") :].lower() in IMAGE_SUFFIXES:
                    if _is(entry.is_file):
                        yield inside + name
                    elif on_unreadable is not None and entry.is_symlink():
                        error = _broken(entry)
                        if error is not None:
                            on_unreadable(Path(folder, inside, name), error)
        if recursive:
            new = [(name, real) for name, real in sorted(links.items()) if real not in seen]
            seen.update(links.values())
            waiting += [(f"{inside}{name}/", real) for name, real in reversed(new)]


def _broken(link: os.DirEntry[str]) -> OSError | None:
    """Why a link leads nowhere; None if it leads to something else than a file."""
    try:
        os.stat(link.path)  # noqa: PTH116
    except OSError as error:
        return error
    return None


def _is(kind: Callable[[], bool]) -> bool:
    try:
        return kind()
    except OSError:  # a link that leads to itself
        return False
