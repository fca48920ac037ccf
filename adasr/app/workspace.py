"""Where the page keeps files: one folder that goes when the program ends."""

from __future__ import annotations

import shutil
import tempfile
import zipfile
from pathlib import Path
from types import TracebackType

from ..files import atomic_path


class Workspace:
    """A temporary folder with one for what is uploaded and one for each visitor's results."""

    def __init__(self) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="adasr-app-"))
        self.uploads = self.root / "uploads"
        self.results = self.root / "results"
        for folder in (self.uploads, self.results):
            folder.mkdir()

    def __enter__(self) -> Workspace:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        shutil.rmtree(self.root, ignore_errors=True)

    def fresh(self, before: str | None) -> Path:
        """A new folder for results; the visitor's one ``before`` is removed."""
        self.drop(before)
        return Path(tempfile.mkdtemp(dir=self.results))

    def drop(self, folder: str | None) -> None:
        """Remove a folder of results."""
        if folder and Path(folder).parent == self.results:
            shutil.rmtree(folder, ignore_errors=True)


def pack(files: list[Path], folder: Path) -> Path:
    """One archive of ``files``, which are compressed already."""
    target = folder / "results.zip"
    with (
        atomic_path(target) as temporary,
        zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive,
    ):
        for file in files:
            archive.write(file, file.name)
    return target
