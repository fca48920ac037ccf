"""Test sets for a benchmark: LQ images made once by fixed recipes, the same on every machine."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..data.checking import Progress, map_files
from ..data.images import list_images, read_rgb, to_tensor
from ..data.listing import Problem, relative_names
from ..degradations.testset import degrade, find_recipe
from ..degradations.testset.manifest import checksum, entry
from ..errors import AdasrError, DatasetError, FileError, OptionError
from ..pixels import modcrop, to_eight_bit
from .results import DatasetInfo
from .testset_cache import Tell, TestsetCache
from .testset_cache import default_cache as default_cache
from .training_families import families_of_training as families_of_training

_HELD = 2  # decoded images kept, for the recipes of one image follow each other


@dataclass(frozen=True)
class _Image:
    """A usable image, and the checksums of its LQ images by recipe."""

    file: Path
    name: str
    height: int
    width: int
    sha256: str
    lq_sha256: Mapping[str, str]


class Testset:
    """Image pairs for ``evaluate``; all recipes of an image follow each other.

    ``testset[index]`` is ``{"lq": float32 (3, h, w), "gt": (3, h * scale, w * scale), "name",
    "recipe", "path"}`` in [0, 1]; without "gt" for images that have no ground truth. Threads may
    read items at the same time.

    Attributes:
        root: the folder.
        files: the usable images.
        names: their names: paths in the folder, with "/" and without suffix.
        recipes: as asked for; ``[""]`` for images without ground truth.
        keys: (name, recipe) of every item.
        checksums: SHA-256 of the LQ pixels of every key.
        problems: (path, what is wrong) of what was left out.
        info: name, sizes and checksums of the ground truth, for results.

    Raises:
        DatasetError: on reading an item whose file has changed since the set was opened.
        ImageReadError: on reading an item whose file has become unreadable.
    """

    __test__ = False  # no test class, whatever its name says

    def __init__(
        self,
        root: Path,
        recipes: Sequence[str],
        images: Sequence[_Image],
        problems: Sequence[Problem],
        load: Callable[[Path], np.ndarray],
        cache: TestsetCache | None,
    ) -> None:
        self.root, self.recipes, self.problems = root, list(recipes), list(problems)
        self.files = [image.file for image in images]
        self.names = [image.name for image in images]
        self._items = [(image, recipe) for image in images for recipe in image.lq_sha256]
        self.keys = [(image.name, recipe) for image, recipe in self._items]
        self.checksums = {(i.name, recipe): i.lq_sha256[recipe] for i, recipe in self._items}
        sizes = {i.name: {"width": i.width, "height": i.height, "sha256": i.sha256} for i in images}
        self.info = DatasetInfo(root.resolve().name, str(root), sizes, paired=cache is not None)
        self._load, self._cache = load, cache
        self._held: OrderedDict[str, Future[np.ndarray]] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, index: int, /) -> dict[str, Any]:
        image, recipe = self._items[index]
        found = self._image(image)
        item = {"name": image.name, "recipe": recipe, "path": str(image.file)}
        if self._cache is None:
            return {"lq": to_tensor(found), **item}
        lq = self._lq(self._cache, image, recipe, found)
        return {"lq": to_tensor(lq), "gt": to_tensor(found), **item}

    def _lq(self, cache: TestsetCache, image: _Image, recipe: str, gt: np.ndarray) -> np.ndarray:
        expected = image.lq_sha256[recipe]
        lq = cache.read(recipe, image.name, expected)
        if lq is None:
            lq = degrade(gt, recipe, cache.scale, image.name)
            if checksum(lq) != expected:
                hint = "Another process may have other versions of libraries. Start again."
                problem = f"{recipe} gives other pixels than when the test set was made"
                raise DatasetError(image.file, problem, hint)
            cache.write_again(recipe, image.name, lq)
        return lq

    def _image(self, image: _Image) -> np.ndarray:
        """The decoded image, by the one thread that asks first."""
        with self._lock:
            future = self._held.get(image.name)
            mine = future is None
            if future is None:
                future = self._held[image.name] = Future()
                while len(self._held) > _HELD:
                    self._held.popitem(last=False)
            else:
                self._held.move_to_end(image.name)
        if mine:
            try:
                found = self._load(image.file)
                if checksum(found) != image.sha256:
                    hint = "Start again."
                    raise DatasetError(image.file, "has changed since the start", hint)
                future.set_result(found)
            except BaseException as error:
                future.set_exception(error)
                with self._lock:
                    self._held.pop(image.name, None)
        return future.result()


def open_testset(
    root: str | Path,
    recipes: Sequence[str],
    scale: int,
    cache: Path | None = None,
    on_done: Progress | None = None,
    tell: Tell | None = None,
) -> Testset:
    """The images of a folder under recipes; what the cache lacks is made, on all cores.

    Args:
        root: folder of GT images, searched with its sub-folders.
        recipes: names of recipes, no groups.
        scale: factor between LQ and GT.
        cache: folder of all cached sets (``default_cache()``); None keeps nothing, and makes an LQ
            image every time it is needed.
        on_done: called with (images done, images in all).
        tell: takes lines for a person: what is made again, and why.

    Raises:
        OptionError: an unknown recipe, or a scale below 1.
        DatasetError: the folder is missing, empty, or holds no image that can be used.
    """
    root, wanted = Path(root).expanduser(), list(dict.fromkeys(recipes))
    for recipe in wanted:
        find_recipe(recipe)
    if scale < 1:
        raise OptionError(f"must be at least 1, got {scale}.", ("scale",))
    files = list_images(root)
    store = TestsetCache(cache, root, scale, tell or (lambda line: None))

    def load(file: Path) -> np.ndarray:
        gt = np.ascontiguousarray(modcrop(to_eight_bit(read_rgb(file)), scale))
        if gt.size == 0:
            raise DatasetError(file, f"is smaller than the scale {scale}", "Remove it.")
        return gt

    def prepare(item: tuple[Path, str]) -> tuple[_Image | None, list[Problem]]:
        try:
            return _prepared(*item, wanted, store, load)
        except AdasrError as error:
            return None, [(str(item[0]), _reason(error))]

    pairs = list(zip(files, relative_names(files, root), strict=True))
    with store.filling(wanted):
        found = list(map_files(prepare, pairs, on_done))
    return _opened(root, wanted, found, load, store)


def open_plain(root: str | Path, on_done: Progress | None = None) -> Testset:
    """Images as they are, without ground truth: items have no "gt" and the recipe "".

    Args:
        root: folder of images, searched with its sub-folders.
        on_done: called with (images done, images in all).

    Raises:
        DatasetError: the folder is missing, empty, or holds no image that can be used.
    """
    root = Path(root).expanduser()
    files = list_images(root)

    def load(file: Path) -> np.ndarray:
        return np.ascontiguousarray(to_eight_bit(read_rgb(file)))

    def prepare(item: tuple[Path, str]) -> tuple[_Image | None, list[Problem]]:
        file, name = item
        try:
            image = load(file)
        except AdasrError as error:
            return None, [(str(file), _reason(error))]
        digest = checksum(image)
        height, width = image.shape[:2]
        return _Image(file, name, height, width, digest, {"": digest}), []

    pairs = list(zip(files, relative_names(files, root), strict=True))
    found = list(map_files(prepare, pairs, on_done))
    return _opened(root, [""], found, load, None)


def _prepared(
    file: Path,
    name: str,
    recipes: Sequence[str],
    store: TestsetCache,
    load: Callable[[Path], np.ndarray],
) -> tuple[_Image | None, list[Problem]]:
    """An image with its LQ images in the cache, and the recipes it cannot be given."""
    gt, source = None, store.source(name, file)
    digests, problems = {}, []
    for recipe in recipes:
        held = None if source is None else store.entry(recipe, name, source["sha256"])
        if held is None and gt is None:
            gt = load(file)
            source = store.keep_source(name, file, gt)
            held = store.entry(recipe, name, source["sha256"])
        if held is None:
            assert gt is not None
            try:
                lq = degrade(gt, recipe, store.scale, name)
            except OptionError as error:  # a codec has a largest image
                problems.append((str(file), f"{recipe}: {error.message.rstrip('.')}"))
                continue
            held = entry(file.name, lq, gt)
            store.keep(recipe, name, lq, held)
        digests[recipe] = held["sha256"]
    if source is None:  # no recipe at all
        source = store.keep_source(name, file, load(file))
    image = _Image(file, name, source["height"], source["width"], source["sha256"], digests)
    return image, problems


def _opened(
    root: Path,
    recipes: Sequence[str],
    found: Sequence[tuple[_Image | None, list[Problem]]],
    load: Callable[[Path], np.ndarray],
    store: TestsetCache | None,
) -> Testset:
    images = [image for image, _ in found if image is not None]
    problems = [problem for _, told in found for problem in told]
    if not images:
        path, problem = problems[0]
        raise DatasetError(root, f"holds no usable image; {path} {problem}")
    return Testset(root, recipes, images, problems, load, store)


def _reason(error: AdasrError) -> str:
    return error.problem if isinstance(error, FileError) else str(error).rstrip(".")
