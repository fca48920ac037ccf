"""The images of a benchmark: degraded folders, pairs of folders, folders of real images."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from ...data.checking import Progress, map_files
from ...data.images import read_rgb
from ...data.paired_folder import PairedFolder
from ...data.walking import image_names
from ...errors import AdasrError, DatasetError, FileError, ImageReadError, OptionError
from ..results import DatasetInfo
from ..testsets import Testset, open_plain, open_testset
from ..validate import ImagePairs
from .journal import key_of

# Folders that say what is in them, not which set it is.
_ROLES = ("hr", "gt", "lr", "lq", "image", "images", "test", "val", "valid", "original")


@dataclass(frozen=True)
class TestData:
    """One test set.

    Attributes:
        info: what goes into the results.
        items: the images; those without ground truth have no "gt".
        places: name and recipe of each item.
        keys: of each item: differs where its pixels do; "" where they cannot be read.
        problems: name to problem of images that are in no item.
    """

    __test__ = False  # no test class, whatever its name says

    info: DatasetInfo
    items: ImagePairs
    places: Sequence[tuple[str, str]]
    keys: Sequence[str]
    problems: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Sources:
    """The folders of a benchmark.

    Attributes:
        data: of GT images, which are degraded.
        pairs: of LQ images and their GT images.
        real: of images without ground truth.
    """

    data: Sequence[Path] = ()
    pairs: Sequence[tuple[Path, Path]] = ()
    real: Sequence[Path] = ()

    def names(self) -> list[str]:
        """What to call each set: its folder's name, with its parents' where that is needed."""
        roots = [*self.data, *(gt for _, gt in self.pairs), *self.real]
        return _set_names([root.expanduser().resolve() for root in roots])

    def check(self) -> None:
        """See to it that there is something to score on, and nothing twice.

        Raises:
            OptionError: it is not so.
            DatasetError: a folder is missing or holds no image.
        """
        if not (self.data or self.pairs or self.real):
            raise OptionError(
                "names no images.",
                ("--data",),
                "Give folders of GT images (--data), of pairs (--pairs LQ GT) or of real images "
                "without ground truth (--real).",
            )
        for option, roots in (("--data", self.data), ("--real", self.real)):
            seen: set[Path] = set()
            for root in roots:
                place = root.expanduser().resolve()
                if place in seen:
                    raise OptionError(f"names {root} twice.", (option,), "Name it once.")
                seen.add(place)
        for root in [*self.data, *itertools.chain.from_iterable(self.pairs), *self.real]:
            image_names(root.expanduser())


def degraded(
    root: Path,
    name: str,
    recipes: Sequence[str],
    scale: int,
    cache: Path | None,
    on_done: Progress,
    tell: Callable[[str], None],
) -> TestData:
    """A folder of GT images under test recipes.

    Raises:
        DatasetError: the folder is missing, empty or holds no image that can be used.
    """
    testset = open_testset(root, recipes, scale, cache, on_done, tell)
    gt = testset.info.images
    keys = [
        key_of(gt=gt[image]["sha256"], lq=testset.checksums[image, recipe], scale=scale)
        for image, recipe in testset.keys
    ]
    return _of_testset(testset, name, keys)


def paired(lq: Path, gt: Path, name: str, scale: int, on_done: Progress) -> TestData:
    """Pairs of images as they lie in two folders.

    Raises:
        DatasetError: a folder is missing or empty, or files have no partner.
    """
    folder = PairedFolder(str(gt), str(lq), scale)
    of_gt = _read_all(folder.files, folder.names, on_done)
    of_lq = _read_all(folder.files_lq, folder.names, on_done)
    images = {
        one: {**of_gt.images[one], "lq_sha256": of_lq.images[one]["sha256"]}
        for one in of_gt.images
        if one in of_lq.images
    }
    index = [i for i, one in enumerate(folder.names) if one in images]
    places = [(folder.names[i], "") for i in index]
    keys = [
        key_of(gt=images[one]["sha256"], lq=images[one]["lq_sha256"], scale=scale)
        for one, _ in places
    ]
    problems = {**of_lq.problems, **of_gt.problems}
    return TestData(
        DatasetInfo(name, f"{gt} ({lq})", images), Subset(folder, index), places, keys, problems
    )


def real(root: Path, name: str, on_done: Progress) -> TestData:
    """A folder of images without ground truth.

    Raises:
        DatasetError: the folder is missing, empty or holds no image that can be used.
    """
    testset = open_plain(root, on_done)
    keys = [key_of(real=testset.checksums[place]) for place in testset.keys]
    return _of_testset(testset, name, keys)


class Subset:
    """Some of a test set's items.

    Args:
        items: all of them.
        index: which.
    """

    def __init__(self, items: ImagePairs, index: Sequence[int]) -> None:
        self.items, self.index = items, list(index)

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, index: int) -> Mapping[str, Any]:
        return self.items[self.index[index]]


def _of_testset(testset: Testset, name: str, keys: Sequence[str]) -> TestData:
    problems: dict[str, str] = {}
    for path, problem in testset.problems:
        place = str(path)
        with contextlib.suppress(ValueError):
            place = Path(path).relative_to(testset.root).as_posix()
        problems[place] = f"{problems[place]}; {problem}" if place in problems else problem
    images = {image: dict(about) for image, about in testset.info.images.items()}
    if testset.info.paired:
        for (image, recipe), digest in testset.checksums.items():
            images[image].setdefault("lq_sha256", {})[recipe] = digest
    info = replace(testset.info, name=name, images=images)
    return TestData(info, testset, testset.keys, keys, problems)


@dataclass(frozen=True)
class _ReadImages:
    images: dict[str, dict[str, Any]]
    problems: dict[str, str]


def _read_all(files: Sequence[Path], names: Sequence[str], on_done: Progress) -> _ReadImages:
    """Size and checksum of every image, and what is wrong with the others."""
    described = list(zip(names, map_files(_describe, list(files), on_done), strict=True))
    images = {name: found for name, found in described if isinstance(found, dict)}
    problems = {name: found for name, found in described if isinstance(found, str)}
    if not images:
        first = next(iter(problems.values()))
        raise DatasetError(Path(files[0]).parent, f"holds no usable image ({first})")
    return _ReadImages(images, problems)


def _describe(file: Path) -> dict[str, Any] | str:
    try:
        image = np.ascontiguousarray(read_rgb(file))
    except AdasrError as error:
        problem = error.problem if isinstance(error, FileError) else str(error)
        where = "" if isinstance(error, ImageReadError) else f"{file}: "
        return f"{where}{problem}"
    height, width = image.shape[:2]
    return {
        "width": width,
        "height": height,
        "sha256": hashlib.sha256(image.tobytes()).hexdigest(),
    }


def _set_names(roots: Sequence[Path]) -> list[str]:
    """The shortest ends of paths that tell them apart, ``Set5`` of ``Set5/HR``."""
    ends = [_without_role(root) for root in roots]
    if len(set(ends)) < len(ends):
        ends = list(roots)
    depths = [1] * len(ends)
    while True:
        names = ["/".join(end.parts[-depth:]) for end, depth in zip(ends, depths, strict=True)]
        doubled = [
            i
            for i, name in enumerate(names)
            if names.count(name) > 1 and depths[i] < len(ends[i].parts) - 1
        ]
        if not doubled:
            break
        for i in doubled:
            depths[i] += 1
    return [f"{n} ({i + 1})" if names.count(n) > 1 else n for i, n in enumerate(names)]


def _without_role(root: Path) -> Path:
    while root.name.lower() in _ROLES and root.parent.name:
        root = root.parent
    return root
