"""What the page does when its button is pressed, without the page."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ..data.encoding import check_writable
from ..data.images import WRITE_SUFFIXES
from ..data.pictures import read_picture, write_picture
from ..errors import AdasrError, FileError, OptionError
from ..inference.memory import is_out_of_memory
from ..inference.upscaler import Precision, Upscaler
from .preview import write_previews

_LARGEST_GROWTH = 16  # pixels of a result for each that an image may have
SAME = "as the image"
FORMATS = (SAME, "png", "tif", "webp", "jpg")


@dataclass(frozen=True)
class Limits:
    """What one press of the button may ask for.

    Attributes:
        max_pixels: of an image.
        max_files: images at a time.
        max_megabytes: of an image file.
    """

    max_pixels: int = 16_000_000
    max_files: int = 20
    max_megabytes: int = 200

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value < 1:
                raise OptionError(f"must be above 0, got {value}.", (name,))


@dataclass(frozen=True)
class Settings:
    """What is chosen on the page.

    Attributes:
        weights: the file.
        scale: of the result, None for the network's own.
        precision: as of ``Upscaler``.
        tile: as of ``Upscaler``.
        self_ensemble: whether to average over flips and turns.
        format: one of ``FORMATS``.
    """

    weights: Path
    scale: float | None = None
    precision: Precision = "auto"
    tile: int | Literal["auto"] = "auto"
    self_ensemble: bool = False
    format: str = SAME


@dataclass(frozen=True)
class Result:
    """One image done.

    Attributes:
        name: of the result's file.
        file: the result in full quality.
        before: preview of the image.
        after: preview of the result.
        size: what became of its pixels, in words.
    """

    name: str
    file: Path
    before: Path
    after: Path
    size: str


class Enlarger:
    """Enlarges image files; the network of the last call stays in memory.

    Args:
        device: as of ``Upscaler``.
        limits: what is refused.
    """

    def __init__(self, device: str = "auto", limits: Limits | None = None) -> None:
        self.device, self.limits = device, limits or Limits()
        self._held: tuple[Any, Upscaler] | None = None
        self._lock = threading.Lock()

    def check(self, files: list[Path]) -> None:
        """Refuse what is too much, before anything is done.

        Raises:
            AdasrError: no files, too many, too large ones, or some that are gone.
        """
        if not files:
            raise AdasrError("Choose an image first.")
        if len(files) > self.limits.max_files:
            raise AdasrError(
                f"{len(files)} images are too many: choose {self.limits.max_files} at most."
            )
        for path in files:
            if not path.exists():  # uploads go after an hour
                raise FileError(path, "is no longer there", "Choose it again.")
            if path.stat().st_size > self.limits.max_megabytes * 10**6:
                raise FileError(path, f"is larger than {self.limits.max_megabytes} MB")

    def enlarge(
        self,
        path: Path,
        settings: Settings,
        folder: Path,
        on_tile: Callable[[int, int], None] | None = None,
    ) -> Result:
        """One image file enlarged into ``folder``, under its own name.

        Depth, transparency, colour profile, EXIF and resolution are kept as far as the format
        holds them.

        Raises:
            AdasrError: the image, the weights or the settings cannot be used.
        """
        image, metadata = read_picture(path, self.limits.max_pixels)
        with self._lock:
            upscaler = self._upscaler(settings)
            suffix = _suffix(path, settings.format)
            self._check_result(path, image, upscaler, suffix)
            try:
                larger = upscaler(image, on_tile)
            except (RuntimeError, MemoryError) as error:
                if isinstance(error, MemoryError) or is_out_of_memory(error):
                    raise FileError(
                        path, "does not fit in memory", "Choose a smaller tile or image."
                    ) from None
                raise
        target = _free(folder / f"{path.stem}{suffix}")
        write_picture(target, larger, metadata)
        before, after = write_previews(image, larger, folder / "previews", target.stem)
        size = f"{_told(image.shape)} to {_told(larger.shape)} pixels"
        return Result(target.name, target, before, after, size)

    def _check_result(self, path: Path, image: np.ndarray, upscaler: Upscaler, suffix: str) -> None:
        shape = upscaler.output_shape(image.shape)
        check_writable(path.with_suffix(suffix), shape, image.dtype, None)
        pixels = image.shape[0] * image.shape[1] * upscaler.upscale**2
        largest = self.limits.max_pixels * _LARGEST_GROWTH
        if pixels > largest:
            raise FileError(
                path,
                f"would become {pixels / 1e6:.0f} megapixels; {largest / 1e6:.0f} are the limit",
                "Choose a smaller scale or image.",
            )

    def _upscaler(self, settings: Settings) -> Upscaler:
        chosen = (
            settings.weights,
            settings.precision,
            settings.tile,
            settings.scale,
            settings.self_ensemble,
        )
        if self._held is None or self._held[0] != chosen:
            if self._held is not None:
                self._held[1].close()
                self._held = None
            upscaler = Upscaler(
                settings.weights,
                self.device,
                settings.precision,
                settings.tile,
                scale=settings.scale,
                self_ensemble=settings.self_ensemble,
            )
            self._held = chosen, upscaler
        return self._held[1]


def tell(error: Exception) -> str:
    """An error for a person who sees a page: the file's name without the server's folders."""
    if isinstance(error, FileError):
        text = f"{error.path.name} {error.problem}."
        return f"{text} {error.hint}" if error.hint else text
    if isinstance(error, OSError):
        return f"{Path(error.filename or 'A file').name}: {error.strerror or error}."
    return str(error)


def _suffix(path: Path, form: str) -> str:
    if form != SAME:
        return f".{form}"
    own = path.suffix.lower()
    return own if own in WRITE_SUFFIXES else ".png"


def _free(path: Path) -> Path:
    """``path``, or with a number where there is such a file already."""
    number, free = 1, path
    while free.exists():
        number += 1
        free = path.with_stem(f"{path.stem}-{number}")
    return free


def _told(shape: tuple[int, ...]) -> str:
    return f"{shape[1]} x {shape[0]}"
