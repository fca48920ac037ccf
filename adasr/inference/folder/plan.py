"""Which file becomes which: every input's output, all different, none of them an input."""

from __future__ import annotations

import os
import unicodedata
import zlib
from collections.abc import Iterator, Set
from dataclasses import dataclass, field, replace
from pathlib import Path

from ...data.images import list_images
from ...errors import DatasetError, ImageReadError, OptionError
from .formats import FALLBACKS, default_suffix
from .shard import Shard

_LONGEST_NAME = 255  # bytes, on nearly every file system
MAP_ENDING = "_uncertainty.png"


@dataclass(frozen=True, slots=True)
class Job:
    """An input and the output that was planned for it.

    Attributes:
        source: the image.
        output: where the result goes, in the format that was asked for.
        taken: the names of all outputs of the plan, folded.
    """

    source: Path
    output: Path
    taken: Set[str] = field(default=frozenset(), repr=False, compare=False)

    @property
    def map(self) -> Path:
        """Where its map of uncertainty goes."""
        return self.output.with_name(short_name(self.output.stem, MAP_ENDING))

    def place(self, suffix: str) -> Path:
        """The result's place in the format ``suffix``, taken by no other result."""
        candidate, number = self.output.with_suffix(suffix), 0
        while candidate != self.output and _folded(candidate) in self.taken:
            number += 1
            candidate = _with_format(self.output, self.output, number).with_suffix(suffix)
        return candidate

    def places(self) -> Iterator[Path]:
        """Everywhere the result may be."""
        yield self.output
        for suffix in FALLBACKS:
            if suffix != self.output.suffix:
                yield self.place(suffix)


@dataclass(frozen=True)
class Plan:
    """The images of a run.

    Attributes:
        root: the folder that the inputs are seen from.
        jobs: one for each image, in natural order.
        unreadable: folders whose images are not among them, and why.
    """

    root: Path
    jobs: list[Job]
    unreadable: dict[Path, OSError] = field(default_factory=dict)

    def part(self, shard: Shard) -> Plan:
        """Those of one process; names are those of the whole."""
        unreadable = self.unreadable if shard.index == 1 else {}  # told once
        return replace(self, jobs=shard.of(self.jobs), unreadable=unreadable)


def make_plan(source: Path, target: Path, suffix: str = "", ext: str | None = None) -> Plan:
    """Names for the results of an image file or of a folder, which is mirrored.

    The plan depends on the inputs alone, not on results that are there already, so that processes
    that share a folder, and a run that goes on, plan the same.

    Args:
        source: an image file or a folder.
        target: the folder for the results.
        suffix: added to the names before the extension.
        ext: the format of the results, with its dot; by default the input's where it is lossless.

    Raises:
        OptionError: the results would stand among the inputs without a suffix.
        DatasetError: the folder holds no image.
        ImageReadError: there is no such file.
    """
    unreadable: dict[Path, OSError] = {}
    root, paths = _inputs(source, target, unreadable)
    beside = target.resolve() == root.resolve()
    if beside and not suffix:
        raise OptionError(
            f"the results would stand among the inputs in {root}, and could overwrite them.",
            ("output",),
            "Give another output folder, or a suffix for the names.",
        )
    wanted = {path: _wanted(path, root, target, suffix, ext) for path in paths}
    if beside:  # then results of an earlier run, or of another process, are no inputs
        earlier = {_folded(place) for path in paths for place in _results(wanted[path], path)}
        paths = [path for path in paths if _folded(target / path.relative_to(root)) not in earlier]
    jobs: dict[Path, Job] = {}
    taken = set(_inputs_below(target, root, paths))
    # Files that keep their name first, so that a.png stays a.png whatever else is called a.
    for path in sorted(paths, key=lambda p: p.suffix.lower() != wanted[p].suffix):
        jobs[path] = Job(path, _free(wanted[path], path, taken), taken)
        taken |= {_folded(jobs[path].output), _folded(jobs[path].map)}
    return Plan(root, [jobs[path] for path in paths], unreadable)


def _inputs(source: Path, target: Path, unreadable: dict[Path, OSError]) -> tuple[Path, list[Path]]:
    if not source.is_dir():
        if not source.exists():
            raise ImageReadError(source, "does not exist", "Check the path of the input.")
        return source.parent, [source]
    paths = list_images(source, on_unreadable=unreadable.__setitem__)
    inside = target.resolve()
    if inside != source.resolve() and inside.is_relative_to(source.resolve()):
        paths = [path for path in paths if not path.resolve().is_relative_to(inside)]
    if not paths:
        raise DatasetError(
            source, f"holds images only in the output folder {target}", "Give another folder."
        )
    return source, paths


def _inputs_below(target: Path, root: Path, paths: list[Path]) -> Iterator[str]:
    """The inputs that a result could overwrite, as results are named."""
    place, inputs = target.resolve(), root.resolve()
    if inputs.is_relative_to(place):
        offset = inputs.relative_to(place)
        yield from (_folded(target / offset / path.relative_to(root)) for path in paths)


def _wanted(path: Path, root: Path, target: Path, suffix: str, ext: str | None) -> Path:
    folder = target / path.relative_to(root).parent
    return folder / short_name(f"{path.stem}{suffix}", ext or default_suffix(path))


def _results(output: Path, path: Path) -> Iterator[Path]:
    """The names that a result, or its map, may have got in a run before this one."""
    for place in (output, _with_format(output, path)):
        yield place
        yield place.with_name(short_name(place.stem, MAP_ENDING))
        for suffix in FALLBACKS:
            yield place.with_suffix(suffix)
            yield _with_format(place, place).with_suffix(suffix)


def _free(output: Path, path: Path, taken: Set[str]) -> Path:
    """``output``, or with the input's format (and a number, if need be) in its name."""
    candidate, number = output, 0
    while any(_folded(place) in taken for place in (candidate, Job(path, candidate).map)):
        number += 1
        candidate = _with_format(output, path, number)
    return candidate


def _with_format(output: Path, path: Path, number: int = 1) -> Path:
    count = f"_{number}" if number > 1 else ""
    stem = f"{output.stem}_{path.suffix[1:].lower()}{count}"
    return output.with_name(short_name(stem, output.suffix))


def short_name(stem: str, ending: str) -> str:
    """``stem + ending``, with a checksum for what makes it too long for a file system."""
    if len(os.fsencode(stem + ending)) <= _LONGEST_NAME:
        return stem + ending
    checksum = f"~{zlib.crc32(os.fsencode(stem)):08x}"
    while len(os.fsencode(stem + checksum + ending)) > _LONGEST_NAME:
        stem = stem[:-1]
    return stem + checksum + ending


def _folded(path: Path) -> str:
    """Equal for names that are one file on some system: A.png and a.png, both spellings of ü."""
    return unicodedata.normalize("NFC", path.as_posix()).casefold()
