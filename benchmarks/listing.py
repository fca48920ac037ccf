"""Seconds and memory to list a folder tree of many images, against ``pathlib``.

Both give the same files in the same natural order. The ratio is the time of ``rglob`` and a sort
over ours. The tree is made first, empty files a thousand to a folder, in ``--folder`` or in a
temporary folder that is removed afterwards.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from common import parser, report
from memory import apart

from adasr.data.listing import find_images

OURS, PATHLIB = "adasr", "pathlib"
GOAL = 2.0
SUFFIXES = {".png", ".jpg"}


def main() -> None:
    args = _arguments()
    with folder_of(args) as folder:
        check_order(folder)
        found: dict[str, list[dict[str, Any]]] = {OURS: [], PATHLIB: []}
        for _ in range(args.rounds):
            for name, work in ((OURS, ours), (PATHLIB, pathlib)):
                found[name].append(apart(work, str(folder)))
    medians = {n: statistics.median(f["seconds"] for f in runs) for n, runs in found.items()}
    memory = {
        n: {key: statistics.median(f[key] for f in runs) for key in ("peak_mib", "kept_mib")}
        for n, runs in found.items()
    }
    for name, held in memory.items():
        print(f"{name:32s} {held['peak_mib']:9.0f} MiB at the peak, {held['kept_mib']:.0f} kept")
    ratio = medians[PATHLIB] / medians[OURS]
    report(medians, ratio, GOAL, args, files=found[OURS][0]["count"], memory=memory)


def _arguments() -> argparse.Namespace:
    made = parser(__doc__)
    made.add_argument("--files", type=int, default=1_000_000)
    made.add_argument("--folder", help="where the tree is, or is made and left")
    made.set_defaults(rounds=3)
    return made.parse_args()


@contextlib.contextmanager
def folder_of(args: argparse.Namespace) -> Iterator[Path]:
    """The tree of files."""
    if args.folder:
        root = Path(args.folder)
        if not root.exists():
            make_tree(root, args.files)
        yield root
        return
    with tempfile.TemporaryDirectory() as place:
        make_tree(Path(place), args.files)
        yield Path(place)


def make_tree(root: Path, count: int) -> None:
    """``count`` empty files, a thousand to a folder."""
    for number in range(count):
        folder = root / f"part{number // 1000}"
        if number % 1000 == 0:
            folder.mkdir(parents=True)
        os.close(os.open(f"{folder}/img_{number}.png", os.O_CREAT))


def ours(folder: str) -> tuple[float, Sequence[Path]]:
    """Seconds, and the files."""
    begin = time.perf_counter()
    files = find_images(Path(folder))
    return time.perf_counter() - begin, files


def pathlib(folder: str) -> tuple[float, Sequence[Path]]:
    """The same as most programs do it."""
    begin = time.perf_counter()
    root = Path(folder)
    files = [f for f in root.rglob("*") if f.suffix.lower() in SUFFIXES and f.is_file()]
    files.sort(key=lambda f: natural_key(f.relative_to(root)))
    return time.perf_counter() - begin, files


def natural_key(path: Path) -> tuple[Any, ...]:
    """Numbers in a name count as numbers."""
    parts = re.split(r"([0-9]+)", path.as_posix().casefold())
    return tuple(int(p) if i % 2 else p for i, p in enumerate(parts))


def check_order(folder: Path) -> None:
    """Both give the same files in the same order."""
    part = sorted(p for p in folder.iterdir() if p.is_dir())[0]
    assert list(ours(str(part))[1]) == list(pathlib(str(part))[1]), "not the same files"


if __name__ == "__main__":
    main()
