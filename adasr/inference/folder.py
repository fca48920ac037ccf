"""Files through a network: a folder is mirrored, and one bad file does not stop the rest."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..data.images import WRITE_SUFFIXES, list_images, read_image, write_image
from ..errors import AdasrError, DatasetError, ImageReadError, ImageWriteError, OptionError
from .upscaler import Upscaler

# Formats that keep what they are given; all others become PNG unless the user names one.
_LOSSLESS = (".png", ".tif", ".tiff")


@dataclass
class FolderReport:
    """What became of each input.

    Attributes:
        done: the files written.
        failures: input file to what is wrong with it.
        skipped: inputs whose output was there already.
    """

    done: list[Path] = field(default_factory=list)
    failures: dict[Path, str] = field(default_factory=dict)
    skipped: list[Path] = field(default_factory=list)


def upscale_folder(
    upscaler: Upscaler,
    source: str | Path,
    target: str | Path,
    *,
    suffix: str = "",
    ext: str | None = None,
    skip_existing: bool = False,
    on_start: Callable[[Path, int, int], None] | None = None,
    on_done: Callable[[Path, str | None], None] | None = None,
    on_tile: Callable[[int, int], None] | None = None,
) -> FolderReport:
    """Enlarge an image file, or all images of a folder and its sub-folders, into a folder.

    Sub-folders are mirrored. Gray, alpha and depth are kept: an image that the named format cannot
    hold is written as PNG (float values as TIFF) instead. Two inputs of one name (``a.jpg``,
    ``a.png``) get two outputs (``a_jpg.png``, ``a.png``). Images in ``target`` are no inputs, even
    if it lies inside ``source``. Each output is whole or not there.

    Args:
        upscaler: the network.
        source: an image file or a folder.
        target: the folder for the results; made if missing.
        suffix: added to the names before the extension, e.g. ``"_x4"``.
        ext: the format of the results, e.g. ``"jpg"``; None keeps PNG and TIFF and makes PNG of
            everything else.
        skip_existing: leave inputs alone whose result is there.
        on_start: called before each image with the file, its number (from 1) and the total.
        on_done: called after each image with the file and what went wrong, if anything.
        on_tile: called after each tile with how many of this image are done, and the total.

    Raises:
        OptionError: an unknown format, or results among the inputs without a suffix.
        DatasetError: the folder holds no image.
        ImageReadError: there is no such file.
        ImageWriteError: the target folder cannot be made.
    """
    source, target = Path(source), Path(target)
    if suffix != Path(f"x{suffix}").name[1:]:
        hint = "It is added to the names of files; name a folder with the output option."
        raise OptionError(f"'{suffix}' is no part of a file name.", ("suffix",), hint)
    plan = _plan(source, target, suffix, _extension(ext))
    _make(target)
    taken = set(plan.values())
    report = FolderReport()
    for number, (path, output) in enumerate(plan.items(), 1):
        if on_start is not None:
            on_start(path, number, len(plan))
        problem = None
        try:
            if skip_existing and _is_there(output, taken):
                report.skipped.append(path)
            else:
                report.done.append(_upscale_file(upscaler, path, output, taken, on_tile))
        except Exception as error:  # one bad file must not stop the rest, whatever it does
            problem = _problem(error, path)
            report.failures[path] = problem
        if on_done is not None:
            on_done(path, problem)
    return report


def _upscale_file(
    upscaler: Upscaler,
    path: Path,
    output: Path,
    taken: set[Path],
    on_tile: Callable[[int, int], None] | None,
) -> Path:
    image = upscaler(read_image(path), on_tile)
    fitting = output.with_suffix(_suffix_that_holds(image, output.suffix))
    if fitting != output and fitting in taken:
        fitting = fitting.with_stem(f"{output.stem}_{output.suffix[1:]}")
    write_image(fitting, image)
    return fitting


def _plan(source: Path, target: Path, suffix: str, ext: str | None) -> dict[Path, Path]:
    """Each input's output, all different, none of them an input."""
    if source.is_dir():
        root, paths = source, list_images(source)
        if target.resolve() != source.resolve():
            inside = target.resolve()
            paths = [path for path in paths if not path.resolve().is_relative_to(inside)]
        if not paths:
            raise DatasetError(
                source, f"holds images only in the output folder {target}", "Give another folder."
            )
    elif source.exists():
        paths, root = [source], source.parent
    else:
        raise ImageReadError(source, "does not exist", "Check the path of the input.")

    if target.resolve() == root.resolve() and not suffix:
        raise OptionError(
            f"the results would stand among the inputs in {root}, and could overwrite them.",
            ("output",),
            "Give another output folder, or a suffix for the names.",
        )
    wanted = {path: _output(path, root, target, suffix, ext) for path in paths}
    # With the outputs beside the inputs, those of an earlier run are no inputs.
    earlier = {output.resolve() for output in wanted.values()}
    paths = [path for path in paths if path.resolve() not in earlier]
    plan: dict[Path, Path] = {}
    taken: set[str] = set()
    # Files that keep their name first, so that a.png stays a.png whatever else is called a.
    for path in sorted(paths, key=lambda p: p.suffix.lower() != wanted[p].suffix):
        plan[path] = _free(wanted[path], path, taken)
        taken.add(_folded(plan[path]))
    return {path: plan[path] for path in paths}


def _output(path: Path, root: Path, target: Path, suffix: str, ext: str | None) -> Path:
    own = path.suffix.lower()
    new = ext or (own if own in _LOSSLESS else ".png")
    return target / path.relative_to(root).parent / f"{path.stem}{suffix}{new}"


def _free(output: Path, path: Path, taken: set[str]) -> Path:
    """``output``, or with the input's format (and a number, if need be) in its name."""
    candidate, number = output, 1
    while _folded(candidate) in taken:
        count = f"_{number}" if number > 1 else ""
        candidate = output.with_stem(f"{output.stem}_{path.suffix[1:].lower()}{count}")
        number += 1
    return candidate


def _folded(path: Path) -> str:
    return path.as_posix().casefold()  # A.png and a.png are one file on many systems


def _suffix_that_holds(image: np.ndarray, suffix: str) -> str:
    if image.dtype.kind == "f":
        return suffix if suffix in (".tif", ".tiff") else ".tif"
    if image.dtype != np.uint8 and suffix not in _LOSSLESS:
        return ".png"
    if image.ndim == 3 and image.shape[2] == 4 and suffix not in (*_LOSSLESS, ".webp"):
        return ".png"
    return suffix


def _is_there(output: Path, taken: set[Path]) -> bool:
    """Whether the result exists, perhaps in the format that was taken because it holds it."""
    others = (output.with_suffix(suffix) for suffix in (".png", ".tif"))
    return output.exists() or any(o.exists() for o in others if o not in taken)


def _extension(ext: str | None) -> str | None:
    if ext is None:
        return None
    ext = f".{ext.lower().removeprefix('.')}"
    if ext not in WRITE_SUFFIXES:
        known = ", ".join(s[1:] for s in WRITE_SUFFIXES)
        raise OptionError(f"unknown image format '{ext[1:]}'.", ("ext",), f"Known: {known}.")
    return ext


def _make(target: Path) -> None:
    try:
        target.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        problem = f"cannot be made ({error.strerror or error})"
        raise ImageWriteError(target, problem, "Choose another output folder.") from None


def _problem(error: Exception, path: Path) -> str:
    if isinstance(error, ImageReadError) and error.path == path:
        return f"{error.problem}. {error.hint}".strip()
    if isinstance(error, AdasrError | ValueError):
        return str(error)
    return f"{type(error).__name__}: {error}"
