"""Degraded test sets on disk: PNG files and a manifest of their checksums."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ... import pixels
from ...errors import AdasrError, ImageReadError, OptionError
from ..checks import check_scale
from .apply import degrade, modcrop
from .groups import find_recipe
from .manifest import MANIFEST, checksum, entry, read_manifest, write_manifest


@dataclass
class TestsetReport:
    """What became of a folder's images."""

    __test__ = False  # no test class, whatever its name says

    written: list[Path] = field(default_factory=list)
    failures: dict[Path, str] = field(default_factory=dict)
    manifest: Path | None = None


def write_testset(
    files: Sequence[Path],
    names: Sequence[str],
    target: Path,
    *,
    recipe: str,
    scale: int,
    read: Callable[[Path], np.ndarray],
    write: Callable[[Path, np.ndarray], None],
    hr_target: Path | None = None,
    on_done: Callable[[Path], None] | None = None,
) -> TestsetReport:
    """Write the LQ of image files as PNG, and a manifest with their checksums.

    An image that cannot be read or is smaller than ``scale`` is left out and reported; one that
    cannot be written ends the work, since the next could not be written either.

    Args:
        files: the GT images.
        names: what to call each, with "/" between folders and no two alike: ``NAME.png`` is
            written, and the noise is seeded with it, as it is when sets are made on the fly.
        target: folder for the LQ images and ``.manifest.json``.
        recipe: name of one of ``RECIPES``.
        scale: downscaling factor.
        read: path -> (H, W, 3) RGB of uint8, uint16 or floats in [0, 1].
        write: writes such an array to a path.
        hr_target: folder for the GT cut to a multiple of ``scale``, if wanted.
        on_done: called with each file after it was handled.

    Raises:
        OptionError: an unknown recipe, or a scale below 1.
        ImageWriteError: from ``write``.
    """
    find_recipe(recipe)
    check_scale(scale)
    report, entries = TestsetReport(), {}
    for file, name in zip(files, names, strict=True):
        try:
            gt = modcrop(pixels.to_eight_bit(read(file)), scale)
        except (ImageReadError, OptionError) as error:
            report.failures[file] = str(error)
        else:
            lq = degrade(gt, recipe, scale, name)
            place = f"{name}.png"
            write(target / place, lq)
            if hr_target is not None:
                write(hr_target / place, gt)
            entries[place] = entry(file.name, lq, gt)
            report.written.append(target / place)
        if on_done is not None:
            on_done(file)
    report.manifest = target / MANIFEST
    write_manifest(report.manifest, recipe, scale, entries)
    return report


def verify_testset(folder: Path, read: Callable[[Path], np.ndarray]) -> dict[str, str]:
    """Compare a written set with its manifest.

    Returns:
        Name -> problem of every image that is missing, unreadable or changed; empty if all is well.

    Raises:
        DatasetError: no manifest, or one that cannot be read.
    """
    images = read_manifest(folder / MANIFEST)["images"]
    problems = {}
    for name, expected in images.items():
        try:
            found = read(folder / name)
        except AdasrError as error:
            problems[name] = str(error)
        else:
            if checksum(found) != expected["sha256"]:
                problems[name] = "the pixels are not those of the manifest"
    return problems
