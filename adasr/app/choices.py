"""Which weights the page offers."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ..errors import FileError, OptionError

SUFFIXES = (".safetensors", ".pth", ".onnx")
DEFAULT_FOLDERS = ("weights", "experiments")
# What trainings keep beside the networks that make images.
_OTHERS = ("net_d_", "training_states")


def find_weights(places: Iterable[Path]) -> dict[str, Path]:
    """Weights files by the names that the page shows.

    Args:
        places: files, and folders, which are searched with all folders in them; without any,
            ``DEFAULT_FOLDERS`` of the working directory.

    Raises:
        FileError: a place is not there.
        OptionError: there are no weights.
    """
    places = list(places) or [Path(name) for name in DEFAULT_FOLDERS if Path(name).is_dir()]
    found: list[Path] = []
    for place in places:
        if place.is_dir():
            inside = (p for p in place.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
            found += sorted(p for p in inside if not _is_other(p))
        elif place.is_file():
            found.append(place)
        else:
            raise FileError(place, "does not exist", "Give weights, or a folder with weights.")
    if not found:
        where = ", ".join(map(str, places)) or " and ".join(DEFAULT_FOLDERS)
        raise OptionError(
            f"no weights ({', '.join(SUFFIXES)}) in {where}.",
            ("weights",),
            "Give files or folders: adasr app --weights FILE.",
        )
    found = list(dict.fromkeys(found))
    names = [path.name for path in found]
    return {path.name if names.count(path.name) == 1 else str(path): path for path in found}


def _is_other(path: Path) -> bool:
    return path.name.startswith(_OTHERS[0]) or _OTHERS[1] in path.parts
