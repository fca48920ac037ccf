"""Preparing a folder of large images for training: sub-images and meta-info files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from ..errors import DatasetError, FileError, OptionError
from ..files import write_text
from .checking import Progress, check_files, map_files
from .images import image_shape, list_images, read_image, write_image
from .listing import Problem, relative_names

__all__ = ["Prepared", "check_files", "sub_image_boxes", "write_meta_info", "write_sub_images"]

SETTINGS_FILE = "sub_images.json"


@dataclass
class Prepared:
    """What became of a folder's files.

    Attributes:
        written: files written by this call.
        kept: files an earlier call had written already.
        failures: (path, problem) of each source file that could not be used.
    """

    written: list[Path] = field(default_factory=list)
    kept: list[Path] = field(default_factory=list)
    failures: list[Problem] = field(default_factory=list)

    def __str__(self) -> str:
        """What a person wants to know: the counts, and a line for each failure."""
        counts = f"{len(self.written)} written, {len(self.kept)} there already"
        bad = [f"\nfailed: {path}: {problem}." for path, problem in self.failures]
        return f"{counts}, {len(bad)} failed{''.join(bad)}"


def sub_image_boxes(
    height: int, width: int, size: int, step: int, thresh: int = 0
) -> list[tuple[int, int, int, int]]:
    """(top, left, height, width) of an image's sub-images, row by row.

    They lie ``step`` apart; one more at the far edge where more than ``thresh`` pixels would be
    left. A side shorter than ``size`` is taken whole.
    """

    def starts(length: int) -> Iterator[int]:
        last = max(0, length - size)
        regular = range(0, last + 1, step)
        yield from regular
        if last - regular[-1] > thresh:
            yield last

    rows, columns = list(starts(height)), list(starts(width))
    return [(top, left, min(size, height), min(size, width)) for top in rows for left in columns]


def write_sub_images(
    source: str | Path,
    target: str | Path,
    size: int = 480,
    step: int = 240,
    thresh: int = 0,
    on_done: Progress | None = None,
    workers: int | None = None,
) -> Prepared:
    """Cut every image of a folder into overlapping squares, which load much faster in training.

    Written as PNG, ``<name>_s001.png`` and so on, in the same sub-folders; depth, gray and alpha
    are kept. A second call with the same settings goes on where the first one stopped; an
    unreadable file does not stop it.

    Args:
        source: folder of images, searched with its sub-folders.
        target: folder to write to, outside ``source``.
        size: side of a sub-image in pixels.
        step: distance between two sub-images.
        thresh: largest rest at the far edge that gets no sub-image of its own.
        on_done: called with (files done, files in all) after each source file.
        workers: threads; none: one per processor.

    Raises:
        OptionError: a value out of range.
        DatasetError: ``source`` is missing or empty; ``target`` lies inside it or holds sub-images
            of other settings.
        ImageWriteError: the target cannot be written.
    """
    for name, value, least in (("size", size, 1), ("step", step, 1), ("thresh", thresh, 0)):
        if value < least:
            raise OptionError(f"must be at least {least}, got {value}.", (name,))
    source, target = Path(source).expanduser(), Path(target).expanduser()
    if target.resolve().is_relative_to(source.resolve()):
        hint = "Choose a target outside it, or it would be cut up itself next time."
        raise DatasetError(target, f"lies inside the source {source}", hint)
    files = list_images(source)
    _claim(target, {"size": size, "step": step, "thresh": thresh})
    cut = partial(_cut, target=target, size=size, step=step, thresh=thresh)
    jobs = list(zip(files, relative_names(files, source), strict=True))
    report = Prepared()
    for part in map_files(cut, jobs, on_done, workers):
        report.written += part.written
        report.kept += part.kept
        report.failures += part.failures
    return report


def _claim(target: Path, settings: dict[str, int]) -> None:
    """Note the settings in the target, or check that it was begun with the same ones."""
    note = target / SETTINGS_FILE
    try:
        begun = json.loads(note.read_text(encoding="utf-8")) if note.exists() else None
    except (OSError, ValueError):
        begun = {}
    if begun is None:
        try:
            write_text(note, json.dumps(settings) + "\n")
        except OSError as error:
            problem = f"cannot be written ({error.strerror or error})"
            raise DatasetError(target, problem, "Choose another place.") from None
    elif begun != settings:
        problem = f"holds sub-images of other settings ({begun})"
        raise DatasetError(target, problem, "Choose another folder, or delete this one.")


def _cut(job: tuple[Path, str], target: Path, size: int, step: int, thresh: int) -> Prepared:
    file, name = job
    report = Prepared()
    try:
        boxes = sub_image_boxes(*image_shape(file)[:2], size, step, thresh)
        paths = [target / f"{name}_s{number:03d}.png" for number in range(1, len(boxes) + 1)]
        missing = [(b, p) for b, p in zip(boxes, paths, strict=True) if not p.exists()]
        report.kept = [p for p in paths if p not in {p for _, p in missing}]
        image = read_image(file) if missing else None
    except FileError as error:
        report.failures.append((str(error.path), error.problem))
        return report
    for (top, left, height, width), path in missing:
        assert image is not None
        write_image(path, image[top : top + height, left : left + width])
        report.written.append(path)
    return report


def write_meta_info(
    source: str | Path, file: str | Path, on_done: Progress | None = None
) -> Prepared:
    """Write a folder's images to a text file, a line ``name (h,w,c)`` each, as BasicSR does.

    Names are relative to the folder; sizes come from the files' headers.

    Args:
        source: folder of images, searched with its sub-folders.
        file: text file to write.
        on_done: called with (files done, files in all) after each image.

    Raises:
        DatasetError: ``source`` is missing or empty, none of its images has a readable header, or
            ``file`` cannot be written.
    """
    source, file = Path(source).expanduser(), Path(file).expanduser()
    report, lines = Prepared(), []
    files = list_images(source)
    for done, path in enumerate(files, 1):
        try:
            height, width, channels = image_shape(path)
            name = path.relative_to(source).as_posix()
            lines.append(f"{name} ({height},{width},{channels})\n")
        except FileError as error:
            report.failures.append((str(error.path), error.problem))
        if on_done is not None:
            on_done(done, len(files))
    if not lines:
        raise DatasetError(source, "holds no readable image", "`adasr check` says why.")
    try:
        write_text(file, "".join(lines))
    except OSError as error:
        problem = f"cannot be written ({error.strerror or error})"
        raise DatasetError(file, problem, "Choose another place.") from None
    report.written.append(file)
    return report
