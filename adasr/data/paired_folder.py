"""LQ and GT images that exist as files."""

from __future__ import annotations

import functools
import os
from pathlib import Path
from typing import Any

import numpy as np
from torch.utils.data import Dataset

from ..errors import DatasetError, ImageReadError, OptionError
from ..registry import DATASET_REGISTRY
from .checking import Progress, Told, check_files
from .crops import Pixels, draw_crop
from .image_folder import check_crop
from .images import image_size, to_tensor
from .listing import Problem, find_images, load_or_next, relative_names
from .path_list import PathList
from .reading import CacheKind, Decoder, Reader, faults, make_reader
from .walking import image_names


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
        cache: keep decoded images of 8 bits: none, ram (in memory, as they are first read), or
            disk (in files made beforehand, see ``adasr cache``).
        cache_dir: folder of those files; none: .adasr_cache in each of both folders.

    Raises:
        OptionError: a value out of range, or a ``cache_dir`` that no cache wants.
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
        cache: CacheKind = "none",
        cache_dir: str | None = None,
    ) -> None:
        if gt_size is not None:
            check_crop(gt_size, scale)
        _check_template(filename_tmpl)
        self.root, self.root_lq = Path(dataroot_gt).expanduser(), Path(dataroot_lq).expanduser()
        self.files = find_images(self.root, meta_info, recursive)
        self.files_lq = _partners(self.files, self.root, self.root_lq, filename_tmpl, recursive)
        self._read_gt = make_reader(self.files, cache, cache_dir, eight_bit=False)
        self._read_lq = make_reader(self.files_lq, cache, cache_dir, eight_bit=False, label="lq")
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
        return {**item, "skipped": [*skipped, *faults(self._read_gt, self._read_lq)]}

    @functools.cached_property
    def names(self) -> list[str]:
        """The pairs' names; made when they are wanted, for training does without."""
        return relative_names(self.files, self.root)

    def open_cache(self, on_done: Progress | None = None, tell: Told | None = None) -> None:
        """Get the caches ready, see ``ImageFolder.open_cache``."""
        self._read_gt.open(on_done, tell)
        self._read_lq.open(on_done, tell)

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

    def _pair(self, index: int, read_gt: Reader, read_lq: Reader) -> tuple[Pixels, Pixels]:
        gt, lq = read_gt(index), read_lq(index)
        if problem := self._misfit(index, gt.shape[:2], lq.shape[:2]):
            raise DatasetError(*problem)
        return gt, lq

    def _whole(self, index: int) -> dict[str, Any]:
        gt, lq = self._pair(index, Decoder(self.files), Decoder(self.files_lq))
        return {
            "lq": to_tensor(np.asarray(lq)),
            "gt": to_tensor(gt[: lq.shape[0] * self.scale, : lq.shape[1] * self.scale]),
            "name": self.names[index],
            "recipe": "",
            "path": str(self.files[index]),
        }

    def _crop(self, index: int, seed: int, gt_size: int) -> dict[str, Any]:
        gt, lq = self._pair(index, self._read_gt, self._read_lq)
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
    files: PathList, root: Path, root_lq: Path, template: str, recursive: bool
) -> PathList:
    """The LQ file of each GT file; one with GT's suffix goes before others of that name."""
    known: dict[str, str | list[str]] = {}  # a list for the few that have several
    for name in image_names(root_lq, recursive):
        stem = os.path.splitext(name)[0]  # noqa: PTH122  a million of them
        held = known.setdefault(stem, name)
        if held is not name:
            known[stem] = [*([held] if isinstance(held, str) else held), name]
    return PathList(root_lq, (_partner(n, known, root, root_lq, template) for n in files.names()))


def _partner(
    name: str, known: dict[str, str | list[str]], root: Path, root_lq: Path, template: str
) -> str:
    folder, _, file = name.rpartition("/")
    stem, suffix = os.path.splitext(file)  # noqa: PTH122  keeps the dot of a stem such as "0.5"
    wanted = "/".join(filter(None, [folder, template.format(stem)]))
    found = known.get(wanted)
    if isinstance(found, str):
        return found
    if found is None:
        hint = f"Expected '{wanted}' with any image suffix; check filename_tmpl."
        raise DatasetError(root / name, f"has no LQ image in {root_lq}", hint)
    same = [f for f in found if f.endswith(suffix)]
    if not same:
        both = ", ".join(f.rpartition("/")[2] for f in found)
        raise DatasetError(root / name, f"has several LQ images ({both})", "Remove all but one.")
    return same[0]
