"""Degraded test sets on disk, kept from one benchmark to the next.

``CACHE/NAME-HASH/x4/RECIPE/IMAGE.png`` with a ``.manifest.json`` as ``adasr degrade`` writes it: a
folder for each folder of images, scale and recipe. An entry counts only for the ground truth and
the versions that it was made with; every LQ image is compared with its checksum when it is read.
Nothing here stops a benchmark: what cannot be read or written is made anew.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ..data.images import read_rgb
from ..degradations.testset.manifest import (
    MANIFEST,
    checksum,
    differing_versions,
    read_manifest,
    versions_of,
    write_manifest,
)
from ..errors import AdasrError
from ..files import write_text

Tell = Callable[[str], None]

_SOURCES = "sources.json"
_FAST = [cv2.IMWRITE_PNG_COMPRESSION, 1]


def default_cache() -> Path:
    """``$XDG_CACHE_HOME/adasr/testsets``, or that under ``~/.cache``."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    # An empty or relative one is to be ignored, says the XDG specification.
    home = Path(base) if base.startswith("/") else Path.home() / ".cache"
    return home / "adasr" / "testsets"


class TestsetCache:
    """The LQ images of one folder of GT images at one scale.

    Threads may use it at the same time; another process may too.

    Args:
        cache: folder of all caches; None keeps nothing.
        root: the folder of GT images.
        scale: downscaling factor.
        tell: takes lines for a person.
    """

    __test__ = False  # no test class, whatever its name says

    def __init__(self, cache: Path | None, root: Path, scale: int, tell: Tell) -> None:
        self.tell, self.scale = tell, scale
        self.folder: Path | None = None
        if cache is not None:
            place = root.resolve()
            digest = hashlib.sha256(str(place).encode(errors="surrogateescape")).hexdigest()
            self.folder = cache.expanduser() / f"{place.name}-{digest[:12]}" / f"x{scale}"
        self._sources: dict[str, Any] = {}
        self._entries: dict[str, dict[str, Any]] = {}
        self._changed: set[str] = set()

    @contextlib.contextmanager
    def filling(self, recipes: list[str]) -> Iterator[None]:
        """Alone with the folder: what is there is known inside, and written down at the end."""
        with self._alone():
            self._load(recipes)
            try:
                yield
            finally:  # after Ctrl-C too: what was made is kept
                self._save()

    def source(self, name: str, file: Path) -> dict[str, Any] | None:
        """ "height", "width" and "sha256" of a GT that is as it was; None for one to be read."""
        held = self._sources.get(name)
        try:
            return held if held is not None and held["stamp"] == _stamp(file) else None
        except (OSError, KeyError, TypeError):
            return None

    def keep_source(self, name: str, file: Path, gt: np.ndarray) -> dict[str, Any]:
        """Remember a GT's size and checksum, by its file's size and time."""
        found = {
            "height": gt.shape[0],
            "width": gt.shape[1],
            "sha256": checksum(gt),
            "stamp": _stamp(file),
        }
        self._sources[name] = found
        return found

    def entry(self, recipe: str, name: str, gt_sha256: str) -> dict[str, Any] | None:
        """The manifest's entry of an LQ image, if there is one of this GT."""
        held, path = self._entries.get(recipe, {}).get(f"{name}.png"), self._path(recipe, name)
        if held is None or path is None or held.get("gt_sha256") != gt_sha256:
            return None
        return held if path.is_file() else None

    def keep(self, recipe: str, name: str, lq: np.ndarray, entry: dict[str, Any]) -> None:
        """Write an LQ image; a folder that cannot be written is told once and used no more."""
        path = self._path(recipe, name)
        if path is None:
            return
        try:
            _write_png(path, lq)
        except OSError as error:
            self._give_up(error)
        else:
            self._entries.setdefault(recipe, {})[f"{name}.png"] = entry
            self._changed.add(recipe)

    def read(self, recipe: str, name: str, sha256: str) -> np.ndarray | None:
        """An LQ image if it is there and whole."""
        path = self._path(recipe, name)
        if path is None:
            return None
        try:
            found = read_rgb(path)
        except AdasrError as error:
            problem = getattr(error, "problem", str(error))
        else:
            if checksum(found) == sha256:
                return found
            problem = "its pixels are not those of the manifest"
        self.tell(f"test set: {path} is made again ({problem})")
        return None

    def write_again(self, recipe: str, name: str, lq: np.ndarray) -> None:
        """Put an LQ image in the place of a bad file, if possible."""
        path = self._path(recipe, name)
        if path is not None:
            with contextlib.suppress(OSError):
                _write_png(path, lq)

    def _path(self, recipe: str, name: str) -> Path | None:
        folder = self.folder  # another thread may give it up
        return None if folder is None else folder / recipe / f"{name}.png"

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        if self.folder is None:
            yield
            return
        from filelock import FileLock, Timeout

        lock = FileLock(self.folder / ".lock")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            try:
                lock.acquire(timeout=0)
            except Timeout:
                self.tell(f"test set: another process writes {self.folder}; waiting for it")
                lock.acquire()
        except (OSError, NotImplementedError) as error:
            self._give_up(error)
        try:
            yield
        finally:
            lock.release()

    def _load(self, recipes: list[str]) -> None:
        if self.folder is None:
            return
        with contextlib.suppress(OSError, ValueError):
            found = json.loads((self.folder / _SOURCES).read_text(encoding="utf-8"))
            self._sources = found if isinstance(found, dict) else {}
        for recipe in recipes:
            try:
                manifest = read_manifest(self.folder / recipe / MANIFEST)
            except AdasrError:
                continue  # not written yet, or damaged
            made_with, now = manifest.get("versions", {}), versions_of(recipe)
            made_with = {key: made_with.get(key, "unknown") for key in now}
            if made_with != now:
                told = differing_versions(now, made_with)
                self.tell(f"test set: {recipe} is made anew, since versions differ: {told}")
                continue
            self._entries[recipe] = manifest["images"]

    def _save(self) -> None:
        if self.folder is None:
            return
        try:
            for recipe in sorted(self._changed):
                path = self.folder / recipe / MANIFEST
                write_manifest(path, recipe, self.scale, self._entries[recipe])
            write_text(self.folder / _SOURCES, json.dumps(self._sources, ensure_ascii=False))
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: Exception) -> None:
        if self.folder is not None:
            reason = getattr(error, "strerror", None) or error
            self.tell(
                f"test set: {self.folder} cannot be written ({reason}); LQ images are made every "
                "time they are needed"
            )
            self.folder = None


def _stamp(file: Path) -> list[int]:
    found = file.stat()
    return [found.st_size, found.st_mtime_ns]


def _write_png(path: Path, image: np.ndarray) -> None:
    """Whole or not at all. Not synced: a file lost by a crash is found out by its checksum."""
    data = cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), _FAST)[1]
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=".", suffix=".part", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data.data)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
