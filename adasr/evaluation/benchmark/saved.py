"""The restored images of a benchmark, as files."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from ...files import write_text
from .models import Contestant
from .sets import TestData

_OF = ".network"


class SavedImages:
    """``MODEL/DATASET/RECIPE/NAME.png`` below a folder.

    Args:
        root: the folder.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def folder(self, contestant: Contestant, data: TestData) -> Path:
        """Where a network's images of a test set lie."""
        return self.root / _safe(contestant.model.name) / _safe(data.info.name)

    def missing(self, contestant: Contestant, network: str, data: TestData) -> set[int]:
        """Which of a test set's items have no file yet that this network made."""
        folder = self.folder(contestant, data)
        mark = folder / _OF
        known = mark.read_text(encoding="utf-8") if mark.is_file() else ""
        if known != network:
            shutil.rmtree(folder, ignore_errors=True)  # another network's of this name
            write_text(mark, network)
            return set(range(len(data.places)))
        return {
            index
            for index, (name, recipe) in enumerate(data.places)
            if not (folder / recipe / f"{name}.png").is_file()
        }


def _safe(name: str) -> str:
    """A name as a folder: no way out of the root, nothing that a file system refuses."""
    parts = [re.sub(r'[<>:"\\|?*\x00-\x1f]', "_", part) for part in name.split("/")]
    return "_".join(part.strip(". ") or "_" for part in parts)
