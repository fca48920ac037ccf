"""``adasr infer``: a folder through a network, with a progress bar and a list of failures."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ..errors import OptionError
from .folder import FolderReport, upscale_folder
from .upscaler import Precision, Upscaler


def infer_folder(
    source: Path,
    target: Path,
    weights: Path,
    suffix: str,
    ext: str | None,
    tile: str,
    precision: Precision,
    device: str,
    skip_existing: bool,
) -> int:
    """Upscale ``source`` into ``target``; 0 if every image was done, 1 if some failed.

    Raises:
        AdasrError: nothing can be done at all; the message says why.
    """
    upscaler = Upscaler(weights, device, precision, _tile(tile))
    console = Console(highlight=False, soft_wrap=True)
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
    ) as bar:
        task = bar.add_task("", total=None)

        def start(path: Path, number: int, total: int) -> None:
            bar.update(task, total=total, completed=number - 1, description=path.name)

        def done(path: Path, problem: str | None) -> None:
            bar.advance(task)

        report = upscale_folder(
            upscaler,
            source,
            target,
            suffix=suffix,
            ext=ext,
            skip_existing=skip_existing,
            on_start=start,
            on_done=done,
        )
    return _tell(report, target, upscaler.upscale)


def _tell(report: FolderReport, target: Path, upscale: int) -> int:
    kept = f", {len(report.skipped)} were there already" if report.skipped else ""
    print(f"{len(report.done)} images upscaled x{upscale} into {target}{kept}")
    for path, problem in report.failures.items():
        print(f"failed: {path}: {problem}", file=sys.stderr)
    return 1 if report.failures else 0


def _tile(text: str) -> int | Literal["auto"]:
    if text == "auto":
        return "auto"
    try:
        return int(text)
    except ValueError:
        raise OptionError(
            f"expected a number of pixels or 'auto', got '{text}'.", ("--tile",)
        ) from None
