"""One file through a network to another one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ...data.encoding import check_writable
from ...data.headers import DEFAULT_MAX_PIXELS
from ..upscaler import Upscaler
from .pipeline import OnTile
from .plan import Job
from .work import Enlarge, Files, Picture


class _Named(Files):
    """Files whose names say in which format they are, whatever that holds."""

    def place(self, job: Job, shape: tuple[int, ...], dtype: Any) -> Path:
        return job.output


def upscale_file(
    upscaler: Upscaler,
    source: str | Path,
    target: str | Path,
    *,
    quality: int | None = None,
    strip_metadata: bool = False,
    max_pixels: int | None = DEFAULT_MAX_PIXELS,
    on_tile: OnTile | None = None,
) -> Path:
    """Read an image file, enlarge it, write it with its metadata; the file written.

    Images that memory does not hold are read, enlarged and written row by row. The result is whole
    or not there.

    Args:
        upscaler: the network.
        source: the image.
        target: the file for the result; its suffix names the format.
        quality: 1 to 100 of JPEG, WebP, AVIF and HEIC; see ``write_picture`` for the defaults.
        strip_metadata: drop colour profile, EXIF, XMP and resolution.
        max_pixels: larger images are refused; None takes any size.
        on_tile: called after each tile with how many are done and how many there are.

    Raises:
        ImageReadError: the image cannot be used.
        ImageWriteError: the result cannot be written, e.g. alpha as JPEG.
        AdasrError: the network cannot compute it.
    """
    job = Job(Path(source), Path(target))
    work = Enlarge(upscaler, _Named(False, max_pixels, strip_metadata, quality))
    content = work.read(job)
    if isinstance(content, Picture):  # known before the computing, not after
        shape = upscaler.output_shape(content.pixels.shape)
        check_writable(job.output, shape, content.pixels.dtype, quality)
    [result] = work.compute([job], [content], on_tile or (lambda done, total: None))
    return work.write(job, result)
