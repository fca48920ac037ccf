"""A benchmark as a page to look at (``report.html``) and as Markdown (``results.md``)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ...errors import FileError
from ...files import write_text
from ..results import Results
from .markdown import markdown_report
from .page import html_report
from .pictures import Picture
from .views import metric_views

__all__ = ["Picture", "write_report"]

TITLE = "adasr benchmark"


def write_report(
    results: Results,
    folder: str | Path,
    pictures: Sequence[Picture] = (),
    title: str = TITLE,
    ranking: bool = False,
) -> list[Path]:
    """Write ``results.md`` and ``report.html``, one file that needs nothing else.

    Args:
        results: the benchmark.
        folder: made where it is missing.
        pictures: for the sliders; they are cropped, and the last left out, to keep the page small.
        title: heading of both.
        ranking: best first, with ranks of what cannot be told apart.

    Raises:
        FileError: the folder cannot be written.
    """
    folder = Path(folder)
    views = metric_views(results)
    texts = {
        "results.md": markdown_report(results, views, title, ranking),
        "report.html": html_report(results, views, pictures, title, ranking),
    }
    try:
        for name, text in texts.items():
            write_text(folder / name, text)
    except OSError as error:
        raise FileError(
            folder, f"cannot be written ({error.strerror})", "Give another folder."
        ) from None
    return [folder / name for name in texts]
