"""``adasr infer``: a folder through a network, with a progress bar and a list of failures."""

from __future__ import annotations

import os
import re
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import torch
from rich.console import Console
from torch import nn

from ..data.headers import DEFAULT_MAX_PIXELS
from ..errors import OptionError
from .folder import FolderReport, upscale_folder
from .folder.report import failures_path, shown
from .folder.shard import WHOLE, Shard, own_device, read_shard
from .interrupts import Interrupts
from .progress import FolderProgress
from .tilesize import SMALLEST_TILE
from .upscaler import Precision, Upscaler, choose_device, runner_of

if TYPE_CHECKING:
    from .uncertainty import UncertaintyUpscaler

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_MOST_LINES = 20  # of failures on a terminal; the file holds all


@dataclass(frozen=True)
class Network:
    """What the command line says of the network; see ``adasr infer --help``."""

    weights: Path
    scale: float | None = None
    tile: str = "auto"
    precision: Precision = "auto"
    device: str = "auto"
    backend: Literal["torch", "onnxruntime"] | None = None
    compile: bool = False
    self_ensemble: bool = False
    uncertainty: bool = False
    passes: int = 16
    dropout: float | None = None

    def load(self) -> Upscaler | UncertaintyUpscaler:
        """The network, ready to run, on this process's device.

        Raises:
            AdasrError: it cannot be used so.
        """
        device = own_device(self.device, os.environ)
        runner = runner_of(self.weights, self.backend)
        if not self.uncertainty:
            if self.dropout is not None:
                hint = "Add --uncertainty, or leave it out."
                raise OptionError("is for maps of uncertainty only.", ("--dropout",), hint)
            return self._upscaler(self.weights, device, runner)
        if runner != "torch":
            hint = "Give the .safetensors or .pth file."
            raise OptionError(f"cannot be had from {runner}.", ("--uncertainty",), hint)
        if self.dropout is not None and not 0 < self.dropout < 1:
            hint = "It is the share of channels that a pass leaves out."
            problem = f"must lie between 0 and 1, both excluded, got {self.dropout:g}."
            raise OptionError(problem, ("--dropout",), hint)
        from .uncertainty import UncertaintyUpscaler, load_with_dropout

        place = choose_device(device)
        net, sites = load_with_dropout(self.weights, self.dropout)
        return UncertaintyUpscaler(self._upscaler(net.to(place), place, runner), sites, self.passes)

    def _upscaler(
        self,
        model: Path | nn.Module,
        device: str | torch.device,
        runner: Literal["torch", "onnxruntime"],
    ) -> Upscaler:
        return Upscaler(
            model,
            device,
            self.precision,
            _tile(self.tile),
            scale=self.scale,
            self_ensemble=self.self_ensemble,
            compile=self.compile,
            backend=runner,
        )


def infer_folder(
    network: Network,
    source: Path,
    target: Path,
    *,
    suffix: str = "",
    ext: str | None = None,
    quality: int | None = None,
    strip_metadata: bool = False,
    max_pixels: int | None = None,
    skip_existing: bool = False,
    shard: str | None = None,
) -> int:
    """Upscale ``source`` into ``target``; see ``adasr infer --help``.

    Returns:
        The exit code: 0 if every image was done, 1 if some failed or the run ended early, 130 or
        143 after SIGINT or SIGTERM.

    Raises:
        AdasrError: nothing can be done at all; the message says why.
    """
    part = read_shard(shard, os.environ)
    if max_pixels is not None and max_pixels < 0:
        raise OptionError(f"must be 0 (any size) or more, got {max_pixels}.", ("--max-pixels",))
    upscaler = network.load()
    stop = threading.Event()
    with (
        FolderProgress(Console(highlight=False, soft_wrap=True)) as progress,
        Interrupts(stop, _say_stopping) as interrupts,
    ):
        report = upscale_folder(
            upscaler,
            source,
            target,
            suffix=suffix,
            ext=ext,
            quality=quality,
            strip_metadata=strip_metadata,
            max_pixels=DEFAULT_MAX_PIXELS if max_pixels is None else max_pixels or None,
            skip_existing=skip_existing,
            shard=part,
            stop=stop,
            on_start=progress.start,
            on_done=progress.done,
            on_tile=progress.tile,
        )
    _tell(report, target, upscaler.upscale, part)
    if interrupts.exit_code is not None and report.left:
        _say(f"stopped: {len(report.left)} images are left. Go on with --skip-existing.")
        return interrupts.exit_code
    return 1 if report.failures or report.ended else 0


def _tell(report: FolderReport, target: Path, upscale: float, part: Shard) -> None:
    kept = f", {len(report.skipped)} were there already" if report.skipped else ""
    share = "" if part == WHOLE else f" (part {part.name})"
    images = "image" if len(report.done) == 1 else "images"
    print(
        f"{len(report.done)} {images} upscaled x{upscale:g} into {shown(target)}{kept}{share}",
        flush=True,
    )
    if report.ended is not None:
        left = f" {len(report.left)} images are left." if report.left else ""
        _say(f"error: {report.ended}{left} Then go on with --skip-existing.")
        return
    for number, (path, problem) in enumerate(report.failures.items()):
        if number == _MOST_LINES and failures_path(target, part).exists():
            more = len(report.failures) - _MOST_LINES
            _say(f"and {more} more: see {shown(failures_path(target, part))}")
            break
        _say(f"failed: {shown(path)}: {problem}")


def _say(line: str) -> None:
    # A file's name may hold commands to the terminal, or begin a line of its own.
    plain = _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", line)
    print(plain, file=sys.stderr, flush=True)


def _say_stopping(name: str) -> None:
    # Not by print: the signal may have come in the middle of one.
    text = f"\n{name}: stopping after the current image; once more stops at once.\n"
    os.write(2, text.encode())


def _tile(text: str) -> int | Literal["auto"]:
    if text == "auto":
        return "auto"
    try:
        side = int(text)
    except ValueError:
        raise OptionError(
            f"expected a number of pixels or 'auto', got '{text}'.", ("--tile",)
        ) from None
    if 0 < side < SMALLEST_TILE:  # each would be read with an overlap many times its size
        hint = f"Use auto, 0 for the whole image, or at least {SMALLEST_TILE}."
        raise OptionError(f"tiles of {side} pixels would take for ever.", ("--tile",), hint)
    return side
