"""Decoded images in a file that worker processes and runs share."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import DatasetError, FileError
from ...files import atomic_path
from ..checking import Progress, Told
from ..crops import Pixels
from ..listing import Problem
from ..path_list import PathList
from .layout import CHANNELS, for_each, gib, slots, storable
from .pixel_file import PixelFile, PixelWriter, stamps_of

_SUFFIX = ".adasr"
_ELSEWHERE = "Free some space, or name another place with cache_dir."


class DiskCache:
    """Reads images from one file, which it builds when it is missing or out of date.

    ``open`` it before worker processes start.

    Args:
        files: image files.
        decode: gives an image of ``files`` at its own depth.
        folder: where the file is.
        eight_bit: whether 8 bits of a deeper image are all that is wanted; else deeper images are
            decoded every time.
        label: begins the file's name.

    Attributes:
        path: the file.
        fault: what has become of the file, when it cannot be used any more.
    """

    def __init__(
        self,
        files: PathList,
        decode: Callable[[int], np.ndarray],
        folder: Path,
        eight_bit: bool,
        label: str = "gt",
    ) -> None:
        self.files, self.decode, self.eight_bit = files, decode, eight_bit
        # One file for a set of folders: when their images change it is replaced, not joined.
        folders = "\n".join([*files.arrays()["roots"].tolist(), f"{eight_bit}"])
        digest = hashlib.sha256(folders.encode(errors="surrogateescape")).hexdigest()
        self.path = folder / f"{label}-{digest[:16]}{_SUFFIX}"
        self.fault: Problem | None = None
        self._pixels: PixelFile | None = None

    def open(self, on_done: Progress | None = None, tell: Told | None = None) -> None:
        """Open the file; build it first where it is missing or does not fit the images.

        Args:
            on_done: called with (images done, images in all) while it is built.
            tell: takes a line on what was found and done.

        Raises:
            DatasetError: the file cannot be written, or there is no space for it.
        """
        if self._pixels is not None or self.fault is not None:
            return
        tell = tell or (lambda line: None)
        stamps = stamps_of(self.files)
        if self._use(stamps):
            tell(f"cache: {len(self.files)} images in {self.path}")
            return
        with self._only_builder(tell):
            if self._use(stamps_of(self.files)):  # another run has built it in the meantime
                return
            self._build(on_done, tell)
        tell(f"cache: {len(self.files)} images, {gib(self.path.stat().st_size)}, in {self.path}")

    def _use(self, stamps: np.ndarray) -> bool:
        """Take the file that is there, if it holds these images as they are now."""
        held = self._held()
        if held is None or self._changed(held, stamps):
            return False
        held.forget_sources()
        self._pixels = held
        return True

    def _held(self) -> PixelFile | None:
        try:
            return PixelFile(self.path)
        except (OSError, ValueError):
            return None

    def _changed(self, held: PixelFile, stamps: np.ndarray) -> str:
        """What is different from the file, for a person; empty where nothing is."""
        ours, theirs = self.files.arrays(), held.files.arrays()
        if not all(np.array_equal(ours[key], theirs[key]) for key in ours):
            return "the list of images has changed"
        changed = np.flatnonzero((stamps != held.stamps).any(axis=1))
        named = ", ".join(self.files.name(int(i)) for i in changed[:3])
        return f"{len(changed)} of {len(stamps)} images changed ({named})" if len(changed) else ""

    @contextlib.contextmanager
    def _only_builder(self, tell: Told) -> Iterator[None]:
        """Wait until nobody else builds the file, and keep others from it."""
        from filelock import FileLock, Timeout

        lock = FileLock(self.path.with_name(f".{self.path.name}.lock"))
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            try:
                lock.acquire(timeout=0)
            except Timeout:
                tell(f"cache: another process builds {self.path}; waiting for it")
                lock.acquire()
        except (OSError, NotImplementedError) as error:
            reason = getattr(error, "strerror", None) or error
            problem = f"cannot be written ({reason})"
            hint = "Name another place for the cache with cache_dir."
            raise DatasetError(self.path.parent, problem, hint) from None
        try:
            yield
        finally:
            lock.release()

    def _build(self, on_done: Progress | None, tell: Told) -> None:
        # Under the lock nobody is writing, so these are what killed processes have left.
        for left in self.path.parent.glob(f".{self.path.stem}.part-*{_SUFFIX}"):
            left.unlink(missing_ok=True)
        stamps, begins, old = stamps_of(self.files), slots(self.files), self._held()
        free = shutil.disk_usage(self.path.parent).free
        if begins[-1] > free:
            problem = f"takes {gib(begins[-1])} of disk (cache: disk), and {gib(free)} are free"
            raise DatasetError(self.path, problem, _ELSEWHERE)
        if old is not None and (why := self._changed(old, stamps)):
            tell(f"cache: {why}; it is built again")
        known = self._unchanged(old, stamps)
        try:
            with atomic_path(self.path) as temporary, temporary.open("wb") as file:
                writer = PixelWriter(file, begins)

                def store(index: int) -> None:
                    room = int(begins[index + 1] - begins[index])
                    image = old.image(known[index]) if old is not None and index in known else None
                    if image is None:
                        try:
                            image = self.decode(index)
                        except FileError:  # told when training comes to it
                            return
                    image, fits = storable(image, self.eight_bit, room)
                    if fits:
                        writer.put(index, image)

                for _ in for_each(store, len(self.files), on_done):
                    pass
                writer.finish(self.files, stamps, self.eight_bit)
            self._pixels = PixelFile(self.path)
            self._pixels.forget_sources()
        except OSError as error:
            problem = f"cannot be written ({error.strerror or error})"
            raise DatasetError(self.path, problem, _ELSEWHERE) from None

    def _unchanged(self, old: PixelFile | None, stamps: np.ndarray) -> dict[int, int]:
        """Index now -> index in an older file, of the images that are as they were."""
        if old is None or old.eight_bit != self.eight_bit:
            return {}
        places = {
            (folder, old.files.name(index)): index
            for folder, first, end in old.files.folders()
            for index in range(first, end)
        }
        found = {}
        for folder, first, end in self.files.folders():
            for index in range(first, end):
                place = places.get((folder, self.files.name(index)))
                if place is not None and (old.stamps[place] == stamps[index]).all():
                    found[index] = place
        return found

    def __call__(self, index: int) -> Pixels:
        """The pixels of an image, (H, W, 3); its file is read when they are wanted."""
        self.open()
        if self._pixels is not None and self._pixels.shapes[index, 0]:
            return _StoredImage(self, index, *map(int, self._pixels.shapes[index]))
        return self._decoded(index)

    def rows(self, index: int, first: int, end: int) -> np.ndarray:
        """Rows of an image that the file holds, (end - first, W, 3) uint8, read now."""
        if self._pixels is not None:
            rows = self._pixels.rows(index, first, end)
            if rows is not None:
                return rows
            problem = "was cut short or replaced; images are decoded from their own files now"
            self.fault, self._pixels = (str(self.path), problem), None
        return self._decoded(index)[first:end]

    def _decoded(self, index: int) -> np.ndarray:
        return storable(self.decode(index), self.eight_bit, 0)[0]


class _StoredImage:
    """An image in the file of a ``DiskCache``, (H, W, 3): a crop reads its rows and no others."""

    def __init__(self, cache: DiskCache, index: int, height: int, width: int) -> None:
        self._cache, self._index, self.shape = cache, index, (height, width, CHANNELS)

    def __getitem__(self, window: tuple[slice, slice]) -> np.ndarray:
        rows, columns = window
        first, end, _ = rows.indices(self.shape[0])
        return self._cache.rows(self._index, first, end)[:, columns]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self[:, :], dtype)
