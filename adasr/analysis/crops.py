"""What networks are shown: pieces of test images, the same places under every degradation."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..data.images import image_size, read_rgb, to_tensor
from ..data.listing import relative_names
from ..data.walking import list_images
from ..errors import DatasetError, ImageReadError
from ..pixels import to_eight_bit

CLEAN = "clean"
_WINDOW = 1024  # pixels of a GT that are degraded at most: pictures of a camera take seconds


@dataclass(frozen=True)
class Crops:
    """Pieces of one size; piece i is of one place under every recipe.

    Attributes:
        scale: between LQ and GT.
        names: of each piece, ``image@left,top`` in pixels of the GT.
        gt: (N, C, H, W) in [0, 1].
        lq: recipe to (N, C, H / scale, W / scale).
    """

    scale: int
    names: tuple[str, ...]
    gt: Tensor
    lq: Mapping[str, Tensor]

    def __len__(self) -> int:
        return len(self.names)

    @property
    def recipes(self) -> tuple[str, ...]:
        """In the order asked for."""
        return tuple(self.lq)

    @property
    def side(self) -> int:
        """Of an LQ piece in pixels."""
        return self.gt.shape[-1] // self.scale

    def first(self, count: int) -> Crops:
        """The first ``count`` of them."""
        return replace(
            self,
            names=self.names[:count],
            gt=self.gt[:count],
            lq={recipe: lq[:count] for recipe, lq in self.lq.items()},
        )

    def gray(self) -> Crops:
        """For networks of gray images: the luma (BT.601, full range)."""
        weights = torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)

        def luma(images: Tensor) -> Tensor:
            return (images * weights).sum(1, keepdim=True)

        return replace(self, gt=luma(self.gt), lq={r: luma(lq) for r, lq in self.lq.items()})


Degrade = Callable[[np.ndarray, str, int, str], np.ndarray]


def cut_crops(
    folders: Sequence[Path],
    recipes: Sequence[str],
    scale: int,
    degrade: Degrade,
    count: int = 32,
    side: int = 32,
    seed: int = 0,
) -> tuple[Crops, dict[str, str]]:
    """Cut ``count`` pieces from the images of folders, evenly spread over the images.

    Args:
        folders: of GT images, searched with their sub-folders.
        recipes: names of test degradations.
        scale: between LQ and GT.
        degrade: ``degrade(image uint8 (H, W, 3), recipe, scale, name) -> uint8 (h, w, 3)``.
        count: how many pieces.
        side: of an LQ piece in pixels.
        seed: of their places.

    Returns:
        The pieces, and what is wrong with each image that could not be used.

    Raises:
        DatasetError: a folder is missing or holds no image, or no image can be used.
    """
    found: list[tuple[Path, str]] = []
    for folder in folders:
        files = list_images(folder)
        found += zip(files, relative_names(files, folder), strict=True)
    usable, problems = _usable(found, side * scale, count)
    if not usable:
        path, problem = next(iter(problems.items()))
        raise DatasetError(folders[0], f"holds no image that can be used; {path} {problem}")
    names: list[str] = []
    gt: list[Tensor] = []
    lq: dict[str, list[Tensor]] = {recipe: [] for recipe in recipes}
    for number, (path, name) in enumerate(usable):
        # As many from each image as needed; the first images give the odd ones.
        share = count // len(usable) + (number < count % len(usable))
        try:
            image = to_eight_bit(read_rgb(path))
        except ImageReadError as error:
            problems[str(path)] = error.problem
            continue
        for which in range(share):
            left, top = _place(image, side * scale, scale, f"{seed}/{name}/{which}")
            window, x, y = _window(image, left, top, side * scale, scale)
            names.append(f"{name}@{left},{top}")
            gt.append(to_tensor(window[y : y + side * scale, x : x + side * scale]))
            for recipe in recipes:
                small = degrade(window, recipe, scale, name)
                piece = small[y // scale :, x // scale :][:side, :side]
                lq[recipe].append(to_tensor(piece))
    if not names:
        path, problem = next(iter(problems.items()))
        raise DatasetError(path, problem, "No other image could be used either.")
    stacked = {recipe: torch.stack(pieces) for recipe, pieces in lq.items()}
    return Crops(scale, tuple(names), torch.stack(gt), stacked), problems


def _usable(
    found: Sequence[tuple[Path, str]], side: int, count: int
) -> tuple[list[tuple[Path, str]], dict[str, str]]:
    """At most ``count`` images that are large enough, evenly spread over all."""
    usable, problems = [], {}
    for path, name in found:
        try:
            height, width = image_size(path)
        except ImageReadError as error:
            problems[str(path)] = error.problem
            continue
        if min(height, width) < side:
            problems[str(path)] = f"is smaller than a crop ({width}x{height} < {side}x{side})"
        else:
            usable.append((path, name))
    if len(usable) > count:
        usable = [usable[i * len(usable) // count] for i in range(count)]
    return usable, problems


def _place(image: np.ndarray, side: int, scale: int, key: str) -> tuple[int, int]:
    """Left and top of a crop, multiples of ``scale`` so that LQ and GT fit."""
    drawn = random.Random(key)
    height, width = image.shape[:2]
    return tuple(scale * drawn.randrange((size - side) // scale + 1) for size in (width, height))  # type: ignore[return-value]


def _window(
    image: np.ndarray, left: int, top: int, side: int, scale: int
) -> tuple[np.ndarray, int, int]:
    """The part of a large image around a crop, and the crop's place in it."""
    size = max(_WINDOW, 3 * side) // scale * scale
    begins = []
    for at, length in ((left, image.shape[1]), (top, image.shape[0])):
        begin = min(max(0, at + side // 2 - size // 2), max(0, length - size))
        begins.append(begin // scale * scale)
    x, y = begins
    window = image[y : y + size, x : x + size]
    height, width = (length // scale * scale for length in window.shape[:2])
    return np.ascontiguousarray(window[:height, :width]), left - x, top - y
