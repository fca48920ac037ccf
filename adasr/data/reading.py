"""The pixels of a training set's files: decoded every time, or kept."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Protocol

import numpy as np

from ..errors import OptionError
from .checking import Progress, Told
from .crops import Pixels
from .images import read_rgb
from .listing import Problem
from .path_list import PathList

CacheKind = Literal["none", "ram", "disk"]


class Reader(Protocol):
    """Gives images by their index, (H, W, 3); one that keeps them gives views: copy, never write.

    What it gives is an array or is read, as far as it is needed, when it is sliced like one.

    Attributes:
        fault: what has become of the cache, when it cannot be used any more.
    """

    fault: Problem | None

    def __call__(self, index: int) -> Pixels:
        """The pixels of an image.

        Raises:
            ImageReadError: its file is needed and cannot be decoded.
        """
        ...

    def open(self, on_done: Progress | None = None, tell: Told | None = None) -> None:
        """Get ready before worker processes start; a cache that is missing is built."""
        ...


class Decoder:
    """Decodes an image's file, at its own depth, whenever it is asked for."""

    fault: Problem | None = None

    def __init__(self, files: PathList) -> None:
        self.files = files

    def __call__(self, index: int) -> np.ndarray:
        """The pixels of an image, (H, W, 3)."""
        return read_rgb(self.files[index])

    def open(self, on_done: Progress | None = None, tell: Told | None = None) -> None:
        """Nothing to do."""


def make_reader(
    files: PathList,
    cache: CacheKind = "none",
    cache_dir: str | None = None,
    eight_bit: bool = True,
    label: str = "gt",
) -> Reader:
    """What reads ``files`` as the options ask for; nothing is opened yet.

    A cache holds 8 bits a value. Without ``eight_bit`` deeper images are decoded from their files
    every time, so that no value depends on the cache.

    Args:
        files: image files.
        cache: ``none``; ``ram``: decoded once and kept in memory that worker processes share;
            ``disk``: decoded beforehand into a file that runs share.
        cache_dir: folder of that file; none: ``.adasr_cache`` in the folder of images.
        eight_bit: whether 8 bits of a deeper image are all that is wanted.
        label: tells the files of a disk cache apart.

    Raises:
        OptionError: a ``cache_dir`` without a disk cache.
    """
    if cache_dir is not None and cache != "disk":
        raise OptionError(f"is of no use with cache: {cache}.", ("cache_dir",), "Leave it out.")
    decode = Decoder(files)
    if cache == "ram":
        from .cache.ram import RamCache

        return RamCache(files, decode, eight_bit)
    if cache == "disk":
        from .cache.disk import DiskCache

        folder = Path(cache_dir).expanduser() if cache_dir else files.roots[0] / ".adasr_cache"
        return DiskCache(files, decode, folder, eight_bit, label)
    return decode


def faults(*readers: Reader) -> list[Problem]:
    """What has become of caches that cannot be used any more."""
    return [reader.fault for reader in readers if reader.fault is not None]
