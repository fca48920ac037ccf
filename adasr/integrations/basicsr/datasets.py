"""Datasets for BasicSR's registry: adasr's, in the form that BasicSR's loaders and models take."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from basicsr.utils import get_root_logger
from torch.utils.data import Dataset

from ...degradations.testset import degrade
from ...errors import OptionError
from ...registry import DATASET_REGISTRY

# What BasicSR's loops and loaders read from a dataset's options, or put there.
_LOADER_KEYS = frozenset(
    {
        "name",
        "type",
        "phase",
        "scale",
        "io_backend",  # "disk"; checked
        "batch_size_per_gpu",
        "num_worker_per_gpu",
        "dataset_enlarge_ratio",
        "prefetch_mode",
        "num_prefetch_queue",
        "pin_memory",
        "persistent_workers",
        "use_shuffle",
        "frame",
    }
)


class AdaDataset(Dataset[dict[str, Any]]):
    """A dataset of adasr behind BasicSR's interface.

    Items hold ``gt`` (3, H, W) and, where the dataset has it, ``lq`` (3, h, w), RGB float32 in
    [0, 1] unless said otherwise, with ``gt_path`` and ``lq_path``. An unreadable file is replaced
    by the next readable one and named in the log.

    Args:
        opt: the dataset's options in a BasicSR option file; all that BasicSR itself does not read
            are those of adasr's dataset.

    Raises:
        OptionError: an unknown or wrong option.
        DatasetError: a folder is missing or empty.
    """

    component: ClassVar[str]

    def __init__(self, opt: Mapping[str, Any]) -> None:
        self.opt = opt
        own = {key: value for key, value in opt.items() if key not in _LOADER_KEYS}
        try:
            _check_backend(opt.get("io_backend"))
            self.dataset = DATASET_REGISTRY.build(
                {"type": self.component, **own},
                scale=opt.get("scale", 1),
                frame=opt.get("frame", 0),
                degrade=degrade,
            )
        except OptionError as error:
            name = str(opt.get("name", opt.get("phase", "")))
            raise error.under("datasets", name) from None

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> dict[str, Any]:
        crops = getattr(self.dataset, "gt_size", None) is not None
        item = self.dataset[(index, _fresh_seed())] if crops else self.dataset[index]
        for path, problem in item.get("skipped", ()):
            get_root_logger().warning(f"skipped {path}: {problem}")
        return {
            **{key: item[key] for key in ("lq", "gt") if key in item},
            "gt_path": item["path"],
            "lq_path": self._image_name(item),
        }

    def _image_name(self, item: Mapping[str, Any]) -> str:
        """What BasicSR names a validation image after; unique where folders lie in folders."""
        return f"{item['name'].replace('/', '_')}.png" if "name" in item else item["path"]


def _whole(opt: Mapping[str, Any]) -> int:
    """The side of the frames: a multiple of the scale."""
    scale = opt.get("scale", 1)
    return -(-opt.get("frame", 400) // scale) * scale


def _check_backend(backend: Mapping[str, Any] | None) -> None:
    if backend is not None and backend.get("type") != "disk":
        raise OptionError(
            f"adasr's datasets read image files, not {backend.get('type')!r}.",
            ("io_backend", "type"),
            "Write disk, or leave io_backend out.",
        )


def _fresh_seed() -> int:
    # From torch's generator, which a loader seeds anew in every epoch; BasicSR seeds the others
    # with the same number each time.
    return int(torch.randint(2**63 - 1, ()))


class AdaImageFolder(AdaDataset):
    """GT frames for ``AdaRealESRNetModel``: ``frame`` is their side (default 400), uint8.

    ``AdaRealESRNetModel`` cuts crops of ``gt_size`` out of what it made of them.
    """

    component = "ImageFolder"

    def __init__(self, opt: Mapping[str, Any]) -> None:
        super().__init__({**opt, "frame": _whole(opt)})


class AdaPairedFolder(AdaDataset):
    """Pairs of LQ and GT files: crops of ``gt_size`` in training, else whole images."""

    component = "PairedFolder"


class AdaDegradedFolder(AdaDataset):
    """GT images and their LQ by adasr's fixed test recipes, for validation and tests."""

    component = "DegradedFolder"

    def _image_name(self, item: Mapping[str, Any]) -> str:
        return f"{item['name'].replace('/', '_')}_{item['recipe']}.png"
