"""LQ and GT images that exist as files."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from torch.utils.data import Dataset

from ..errors import DatasetError, ImageReadError, OptionError
from ..registry import DATASET_REGISTRY
from .checking import Progress, check_files
from .crops import draw_crop
from .image_folder import check_crop
from .images import image_size, list_images, read_rgb, to_tensor
from .listing import Problem, find_images, load_or_next, relative_names


@DATASET_REGISTRY.register()
class PairedFolder(Dataset[dict[str, Any]]):
    """Pairs of an LQ and a GT image with corresponding names, for training or testing.

    With ``gt_size``, ``dataset[(index, seed)]`` is a training item: ``{"gt": float32 (3, S, S),
    "lq": (3, S / scale, S / scale), "path", "skipped"}``, a pure function of the files and the
    seed; an unusable pair is replaced by the next usable one and named in ``skipped``. Without,
    and for ``dataset[index]``, it is the whole pair: ``{"lq", "gt", "name", "recipe": "",
    "path"}``, GT cut to a multiple of the scale.

    Args:
        dataroot_gt: folder of GT images.
        dataroot_lq: folder of LQ images, laid out as the GT folder; the suffixes may differ.
        scale: factor between LQ and GT.
        filename_tmpl: name of the LQ image without suffix, ``{}`` standing for GT's.
        gt_size: side of a training crop in GT pixels, a multiple of the scale; none: whole images.
        meta_info: text file that names the GT images to use, relative to the GT folder.
        use_hflip: mirror half of the crops.
        use_rot: turn crops by quarters.
        recursive: search sub-folders too.

    Raises:
        OptionError: a value out of range.
        DatasetError: a folder is missing or empty, a GT image has no LQ image or several, or the
            first pair's sizes do not fit the scale.
    """

    def __init__(
        self,
        dataroot_gt: str,
        dataroot_lq: str,
        scale: int,
        filename_tmpl: str = "{}",
        gt_size: int | None = None,
        meta_info: str | None = None,
        use_hflip: bool = True,
        use_rot: bool = True,
        recursive: bool = True,
    ) -> None:
        if gt_size is not None:
            check_crop(gt_size, scale)
        _check_template(filename_tmpl)
        self.root, self.root_lq = Path(dataroot_gt).expanduser(), Path(dataroot_lq).expanduser()
        self.files = find_images(self.root, meta_info, recursive)
        self.files_lq = _partners(self.files, self.root, self.root_lq, filename_tmpl, recursive)
        self.names = relative_names(self.files, self.root)
        self.scale, self.gt_size = scale, gt_size
        self.use_hflip, self.use_rot = use_hflip, use_rot
        if problem := self._size_problem(0):
            raise DatasetError(*problem)

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, key: tuple[int, int] | int) -> dict[str, Any]:
        if not isinstance(key, tuple):
            return self._whole(range(len(self))[key])
        if self.gt_size is None:
            return {**self._whole(key[0]), "skipped": []}
        size, (index, seed) = self.gt_size, key
        item, skipped = load_or_next(
            lambda i: self._crop(i, seed, size), index % len(self), len(self), self.root
        )
        return {**item, "skipped": skipped}

    def problems(self, on_done: Progress | None = None) -> list[Problem]:
        """(path, problem) of every file that cannot be decoded and every pair that does not fit."""
        misfits = (self._size_problem(index) for index in range(len(self)))
        return check_files([*self.files, *self.files_lq], on_done) + [
            (str(misfit[0]), misfit[1]) for misfit in misfits if misfit
        ]

    def _size_problem(self, index: int) -> tuple[Path, str, str] | None:
        """The pair's misfit as the headers tell it; an unreadable file is found when it is read."""
        try:
            gt, lq = image_size(self.files[index]), image_size(self.files_lq[index])
        except ImageReadError:
            return None
        return self._misfit(index, gt, lq)

    def _misfit(
        self, index: int, gt: tuple[int, ...], lq: tuple[int, ...]
    ) -> tuple[Path, str, str] | None:
        """What is wrong with a pair of these (H, W); GT may have less than a scale to spare."""
        if 0 < lq[0] == gt[0] // self.scale and 0 < lq[1] == gt[1] // self.scale:
            return None
        problem = (
            f"({gt[1]}x{gt[0]}) is not {self.scale} times as large as "
            f"{self.files_lq[index]} ({lq[1]}x{lq[0]})"
        )
        hint = "Check the scale, and that dataroot_gt and dataroot_lq belong together."
        return self.files[index], problem, hint

    def _read(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        gt, lq = read_rgb(self.files[index]), read_rgb(self.files_lq[index])
        if problem := self._misfit(index, gt.shape[:2], lq.shape[:2]):
            raise DatasetError(*problem)
        return gt[: lq.shape[0] * self.scale, : lq.shape[1] * self.scale], lq

    def _whole(self, index: int) -> dict[str, Any]:
        gt, lq = self._read(index)
        return {
            "lq": to_tensor(lq),
            "gt": to_tensor(gt),
            "name": self.names[index],
            "recipe": "",
            "path": str(self.files[index]),
        }

    def _crop(self, index: int, seed: int, gt_size: int) -> dict[str, Any]:
        gt, lq = self._read(index)
        (height, width), size = lq.shape[:2], gt_size // self.scale
        if min(height, width) < size:
            problem = f"({gt.shape[1]}x{gt.shape[0]}) is smaller than gt_size {gt_size}"
            raise DatasetError(self.files[index], problem, "Choose a smaller gt_size.")
        crop = draw_crop(seed, height, width, size, self.use_hflip, self.use_rot)
        return {
            "gt": to_tensor(crop.apply(gt, self.scale)),
            "lq": to_tensor(crop.apply(lq)),
            "path": str(self.files[index]),
        }


def _check_template(template: str) -> None:
    try:
        distinct = template.format("a") != template.format("b")
    except (IndexError, KeyError, ValueError):
        distinct = False
    if not distinct:
        raise OptionError(
            f"needs one '{{}}' for the GT image's name, got {template!r}.",
            ("filename_tmpl",),
            "E.g. '{}' or '{}x4'.",
        )


def _partners(
    files: list[Path], root: Path, root_lq: Path, template: str, recursive: bool
) -> list[Path]:
    """The LQ file of each GT file; one with GT's suffix goes before others of that name."""
    known: dict[str, list[Path]] = defaultdict(list)
    for file in list_images(root_lq, recursive):
        known[file.relative_to(root_lq).with_suffix("").as_posix()].append(file)
    partners = []
    for file in files:
        relative = file.relative_to(root)
        # str, not with_suffix: a stem such as "0.5" must keep its dot.
        name = str(PurePosixPath(relative.parent.as_posix()) / template.format(relative.stem))
        found = known.get(name, [])
        same = [f for f in found if f.suffix == file.suffix]
        if not found:
            hint = f"Expected '{name}' with any image suffix; check filename_tmpl."
            raise DatasetError(file, f"has no LQ image in {root_lq}", hint)
        if len(found) > 1 and not same:
            both = ", ".join(f.name for f in found)
            raise DatasetError(file, f"has several LQ images ({both})", "Remove all but one.")
        partners.append((same or found)[0])
    return partners
