"""Training frames of GT images; pairs of LQ and GT crops are made from them on the fly."""

from __future__ import annotations

import functools
import operator
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import Dataset

from ..errors import OptionError
from ..pixels import to_eight_bit
from ..registry import DATASET_REGISTRY
from .checking import Progress, Told, check_files
from .crops import draw_crop, pad_to
from .images import read_rgb, to_tensor
from .listing import Problem, find_images, load_or_next
from .reading import CacheKind, faults, make_reader


@DATASET_REGISTRY.register()
class ImageFolder(Dataset[dict[str, Any]]):
    """Frames from one or several folders of images, for training with a degradation.

    A degradation acts on frames, which are larger than the training crops it then cuts out.
    ``dataset[(index, seed)]`` is ``{"gt": uint8 (3, S, S), "path", "skipped"}``, where S is the
    larger of ``gt_size`` and ``frame``: a pure function of the file and the seed, in 8 bits
    because frames are many times the bytes of a crop. Smaller images are reflected at the bottom
    and right as in Real-ESRGAN. An unreadable file is replaced by the next readable one and named
    in ``skipped``, a list of (path, problem).
    ``dataset[index]`` is the whole image, ``{"gt": float32 (3, H, W) in [0, 1], "path"}``.

    Args:
        dataroot_gt: folder of GT images, or several.
        gt_size: side of a training crop in pixels, a multiple of the scale.
        scale: factor between LQ and GT.
        frame: side of the frames in pixels, as the degradation wants them.
        meta_info: text file that names the images to use, relative to the folders.
        use_hflip: mirror half of the crops.
        use_rot: turn crops by quarters.
        recursive: search sub-folders too.
        dataset_enlarge_ratio: how often each image counts per epoch.
        cache: keep decoded images: none, ram (in memory, as they are first read), or disk (in a
            file made beforehand, see ``adasr cache``).
        cache_dir: folder of that file; none: .adasr_cache in the first folder of images.

    Raises:
        OptionError: a value out of range, or a ``cache_dir`` that no cache wants.
        DatasetError: a folder is missing or empty, or ``meta_info`` names a missing file.
    """

    def __init__(
        self,
        dataroot_gt: str | list[str],
        gt_size: int,
        scale: int,
        frame: int = 0,
        meta_info: str | None = None,
        use_hflip: bool = True,
        use_rot: bool = True,
        recursive: bool = True,
        dataset_enlarge_ratio: int = 1,
        cache: CacheKind = "none",
        cache_dir: str | None = None,
    ) -> None:
        check_crop(gt_size, scale)
        if frame < 0:
            raise OptionError(f"must not be negative, got {frame}.", ("frame",))
        if dataset_enlarge_ratio < 1:
            raise OptionError(
                f"must be at least 1, got {dataset_enlarge_ratio}.", ("dataset_enlarge_ratio",)
            )
        roots = [dataroot_gt] if isinstance(dataroot_gt, str | Path) else list(dataroot_gt)
        if not roots:
            raise OptionError("names no folder.", ("dataroot_gt",), "Give at least one.")
        self.roots = [Path(root).expanduser() for root in roots]
        lists = [find_images(root, meta_info, recursive) for root in self.roots]
        self.files = functools.reduce(operator.add, lists)
        self._read = make_reader(self.files, cache, cache_dir)
        self.gt_size, self.frame = gt_size, max(gt_size, frame)
        self.use_hflip, self.use_rot = use_hflip, use_rot
        self.enlarge_ratio = dataset_enlarge_ratio

    def __len__(self) -> int:
        return len(self.files) * self.enlarge_ratio

    def __getitem__(self, key: tuple[int, int] | int) -> dict[str, Any]:
        if not isinstance(key, tuple):
            path = self.files[range(len(self))[key] % len(self.files)]
            return {"gt": to_tensor(read_rgb(path)), "path": str(path)}
        index, seed = key
        item, skipped = load_or_next(
            lambda i: self._crop(i, seed), index % len(self.files), len(self.files), self.roots[0]
        )
        return {**item, "skipped": [*skipped, *faults(self._read)]}

    def open_cache(self, on_done: Progress | None = None, tell: Told | None = None) -> None:
        """Get the cache ready, before worker processes start; it is built where it is missing.

        Args:
            on_done: called with (images done, images in all) while it is built.
            tell: takes a line on what was found and done.

        Raises:
            DatasetError: it does not fit into the memory or on the disk, or cannot be written.
        """
        self._read.open(on_done, tell)

    def problems(self, on_done: Progress | None = None) -> list[Problem]:
        """(path, problem) of every file that cannot be decoded."""
        return check_files(self.files, on_done)

    def _crop(self, index: int, seed: int) -> dict[str, str | torch.Tensor]:
        image = pad_to(self._read(index), self.frame)
        height, width = image.shape[:2]
        crop = draw_crop(seed, height, width, self.frame, self.use_hflip, self.use_rot)
        frame = torch.from_numpy(to_eight_bit(crop.planes(image)))
        return {"gt": frame, "path": str(self.files[index])}


def check_crop(gt_size: int, scale: int) -> None:
    """Check that a GT crop has a whole number of LQ pixels.

    Raises:
        OptionError: ``gt_size`` is no positive multiple of ``scale``.
    """
    if gt_size < 1 or gt_size % scale:
        near = max(1, round(gt_size / scale)) * scale
        raise OptionError(
            f"must be a positive multiple of the scale {scale}, got {gt_size}.",
            ("gt_size",),
            f"Use {near}.",
        )
