"""Test sets whose LQ images are made by fixed recipes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from torch.utils.data import Dataset

from ..errors import DatasetError, OptionError
from ..pixels import modcrop, to_eight_bit
from ..registry import DATASET_REGISTRY
from .checking import Progress, check_files
from .images import list_images, read_rgb, to_tensor
from .listing import Problem, relative_names

Degrade = Callable[[np.ndarray, str, int, str], np.ndarray]


@DATASET_REGISTRY.register()
class DegradedFolder(Dataset[dict[str, Any]]):
    """Whole GT images, each degraded by each recipe; the same on every machine.

    ``dataset[index]`` is ``{"lq": float32 (3, h, w), "gt": (3, h * scale, w * scale), "name",
    "recipe", "path"}`` in [0, 1]. All images of the first recipe come first. The name is the path
    relative to the folder, with ``/`` and without suffix.

    Args:
        dataroot_gt: folder of GT images.
        recipe: name of a test recipe, or several.
        scale: factor between LQ and GT.
        degrade: ``degrade(image uint8 (H, W, 3), recipe, scale, name) -> uint8 (h, w, 3)``.
        max_images: use the first so many images only; none: all.
        recursive: search sub-folders too.

    Raises:
        OptionError: a value out of range; an unknown recipe, as ``degrade`` says.
        DatasetError: the folder is missing or empty.
    """

    def __init__(
        self,
        dataroot_gt: str,
        recipe: str | list[str],
        scale: int,
        degrade: Degrade,
        max_images: int | None = None,
        recursive: bool = True,
    ) -> None:
        if max_images is not None and max_images < 1:
            raise OptionError(f"must be at least 1, got {max_images}.", ("max_images",))
        # dict.fromkeys: a recipe named twice would give the same items twice.
        self.recipes = list(dict.fromkeys([recipe] if isinstance(recipe, str) else recipe))
        if not self.recipes:
            raise OptionError("names no recipe.", ("recipe",), "E.g. [clean, blur2].")
        self.root, self.scale, self.degrade = Path(dataroot_gt).expanduser(), scale, degrade
        files = list_images(self.root, recursive)
        self.names = relative_names(files, self.root)[:max_images]
        self.files = files[:max_images]
        self._try_recipes()

    def _try_recipes(self) -> None:
        """Degrade a few pixels, so that an unknown recipe is told before anything runs."""
        pixels = np.zeros((8 * self.scale, 8 * self.scale, 3), np.uint8)
        for recipe in self.recipes:
            try:
                self.degrade(pixels, recipe, self.scale, "")
            except OptionError as error:
                key = error.key if error.key[:1] == ("recipe",) else ("recipe", *error.key)
                raise OptionError(error.message, key, error.hint) from None

    def __len__(self) -> int:
        return len(self.files) * len(self.recipes)

    def __getitem__(self, index: int) -> dict[str, Any]:
        which, image = divmod(range(len(self))[index], len(self.files))
        path, name, recipe = self.files[image], self.names[image], self.recipes[which]
        gt = np.ascontiguousarray(modcrop(to_eight_bit(read_rgb(path)), self.scale))
        if gt.size == 0:
            raise DatasetError(path, f"is smaller than the scale {self.scale}", "Remove it.")
        lq = self.degrade(gt, recipe, self.scale, name)
        return {
            "lq": to_tensor(lq),
            "gt": to_tensor(gt),
            "name": name,
            "recipe": recipe,
            "path": str(path),
        }

    def problems(self, on_done: Progress | None = None) -> list[Problem]:
        """(path, problem) of every file that cannot be decoded."""
        return check_files(self.files, on_done)
