"""Files through a network: a folder is mirrored, and one bad file does not stop the rest."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...data.headers import DEFAULT_MAX_PIXELS
from ...errors import ImageReadError, ImageWriteError, OptionError
from ...files import remove_leftovers
from ...memory import free_memory
from ..upscaler import Upscaler
from .formats import read_suffix
from .pipeline import Ended, Event, Pipeline, Started, Tiled
from .plan import Plan, make_plan
from .report import FolderReport, problem_with, write_failures
from .shard import WHOLE, Shard
from .work import Enlarge, Files

if TYPE_CHECKING:
    from ..uncertainty import UncertaintyUpscaler

_LEAST_ROOM, _MOST_ROOM = 64 * 2**20, 1024 * 2**20
_LEFTOVER_AGE = 3600.0  # seconds; another process may be writing to the same folder
# With these nothing that follows can be written either.
_HOPELESS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.ENODEV}


def upscale_folder(
    upscaler: Upscaler | UncertaintyUpscaler,
    source: str | Path,
    target: str | Path,
    *,
    suffix: str = "",
    ext: str | None = None,
    quality: int | None = None,
    strip_metadata: bool = False,
    max_pixels: int | None = DEFAULT_MAX_PIXELS,
    skip_existing: bool = False,
    shard: Shard = WHOLE,
    stop: threading.Event | None = None,
    on_start: Callable[[Path, int, int], None] | None = None,
    on_done: Callable[[Path, str | None], None] | None = None,
    on_tile: Callable[[int, int], None] | None = None,
) -> FolderReport:
    """Enlarge an image file, or all images of a folder and its sub-folders, into a folder.

    Sub-folders are mirrored. Gray, alpha and depth are kept: an image that the named format cannot
    hold is written as PNG (float values as TIFF) instead. Two inputs of one name (``a.jpg``,
    ``a.png``) get two outputs (``a_jpg.png``, ``a.png``). Images in ``target`` are no inputs, even
    if it lies inside ``source``. Each output is whole or not there.

    Reading, computing and writing overlap; small images of one shape are computed together. The
    failures are also written to ``failures.json`` in ``target``, which a run without any removes.
    A full disk ends the run early, since all that follows would fail too.

    Args:
        upscaler: the network; one with uncertainty also writes ``NAME_uncertainty.png``.
        source: an image file or a folder.
        target: the folder for the results; made if missing.
        suffix: added to the names before the extension, e.g. ``"_x4"``.
        ext: the format of the results, e.g. ``"jpg"``; None keeps PNG and TIFF and makes PNG of
            everything else.
        quality: 1 to 100 of JPEG, WebP, AVIF and HEIC; see ``write_picture`` for the defaults.
        strip_metadata: drop colour profile, EXIF, XMP and resolution.
        max_pixels: larger images are refused; None takes any size.
        skip_existing: leave inputs alone whose result is there.
        shard: the part of the images to do; the others are another process's.
        stop: set it, from any thread, to end early: images that are computed are still written.
        on_start: called before each image with the file, its number (from 1) and the total; images
            that are computed together begin together. All
            three are called in the caller's thread, and an exception of theirs ends the run.
        on_done: called after each image, in order, with the file and what went wrong, if anything.
        on_tile: called after each tile with how many of this image are done, and the total.

    Raises:
        OptionError: an unknown format or quality, or results among the inputs without a suffix.
        DatasetError: the folder holds no image.
        ImageReadError: there is no such file.
        ImageWriteError: the target folder cannot be made or written to.
    """
    source, target = Path(source), Path(target)
    if suffix != Path(f"x{suffix}").name[1:]:
        hint = "It is added to the names of files; name a folder with the output option."
        raise OptionError(f"'{suffix}' is no part of a file name.", ("suffix",), hint)
    plan = make_plan(source, target, suffix, read_suffix(ext, quality)).part(shard)
    _make(target)
    for folder in {job.output.parent for job in plan.jobs}:
        remove_leftovers(folder, _LEFTOVER_AGE)

    stop = stop or threading.Event()
    report, total = FolderReport(), len(plan.jobs)
    for folder, error in plan.unreadable.items():
        report.failures[folder] = f"cannot be read ({error.strerror or error})"
    reached: set[int] = set()
    room = min(_MOST_ROOM, max(_LEAST_ROOM, free_memory() // 4))
    files = Files(skip_existing, max_pixels, strip_metadata, quality)

    def tell(event: Event) -> None:
        if isinstance(event, Ended):
            path = plan.jobs[event.number].source
            if report.ended is not None and event.error is not None:
                return  # it failed for the reason that ended the run
            problem = _note(event, path, plan, report)
            reached.add(event.number)
            if report.ended is not None:
                stop.set()
            if on_done is not None:
                on_done(path, problem)
        elif isinstance(event, Started) and on_start is not None:
            on_start(plan.jobs[event.number].source, event.number + 1, total)
        elif isinstance(event, Tiled) and on_tile is not None:
            on_tile(event.done, event.total)

    try:
        _pipeline(upscaler, files, plan, room, stop).run(tell)
    finally:
        report.left = [job.source for n, job in enumerate(plan.jobs) if n not in reached]
        write_failures(report, target, shard)
    return report


def _pipeline(
    upscaler: Upscaler | UncertaintyUpscaler,
    files: Files,
    plan: Plan,
    room: int,
    stop: threading.Event,
) -> Pipeline[Any, Any]:
    yielding = upscaler.device.type == "cpu"
    if isinstance(upscaler, Upscaler):
        return Pipeline(plan.jobs, Enlarge(upscaler, files), room, stop, yielding)
    from .maps import EnlargeWithMap

    return Pipeline(plan.jobs, EnlargeWithMap(upscaler, files), room, stop, yielding)


def _note(event: Ended, path: Path, plan: Plan, report: FolderReport) -> str | None:
    """Enter what became of an image into the report; what is wrong with it."""
    if event.error is not None:
        problem = problem_with(path, event.error)
        report.ended = report.ended or _hopeless(event.error, plan)
        report.failures[path] = problem
        return problem
    if event.output is not None:
        report.done.append(event.output)
    else:
        report.skipped.append(path)
    return None


def _hopeless(error: Exception, plan: Plan) -> str | None:
    """Why nothing that follows can be done either, if so."""
    system = error if isinstance(error, OSError) else error.__context__
    if isinstance(error, ImageWriteError | OSError):
        if isinstance(system, OSError) and system.errno in _HOPELESS:
            return str(error)
    elif isinstance(error, ImageReadError) and not plan.root.exists():
        return f"{plan.root}: has disappeared. Bring it back and go on with --skip-existing."
    elif type(error).__name__ == "AcceleratorError":  # of torch >= 2.8: the device is lost
        return f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
    return None


def _make(target: Path) -> None:
    try:
        target.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        problem = f"cannot be made ({error.strerror or error})"
        raise ImageWriteError(target, problem, "Choose another output folder.") from None
    if not os.access(target, os.W_OK | os.X_OK):  # known before hours of computing, not after
        problem = "cannot be written to"
        raise ImageWriteError(target, problem, "Check its permissions, or choose another folder.")
