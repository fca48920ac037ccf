"""Batches of 16 frames of 400x400 a second, read and cropped by one worker, against BasicSR.

Ours without a cache, with one in memory (every image decoded once before) and with one on the disk
(built before). The peer is BasicSR's ``RealESRGANDataset`` on the same files, as it is and with
the kernels left out that it draws in the same place; the latter reads and crops as ours does, and
the ratio is that of our disk cache to it.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from common import parser, report
from released import FRAME, KERNELS, seed
from torch.utils.data import DataLoader, RandomSampler

import adasr.integrations.basicsr  # noqa: F401  mends BasicSR
from adasr.data.image_folder import ImageFolder
from adasr.data.loader import train_loader
from adasr.data.reading import CacheKind
from adasr.data.samples import write_samples

CACHES: tuple[CacheKind, ...] = ("none", "ram", "disk")
BASICSR, READING = "BasicSR", "BasicSR, no kernels"
GOAL = 2.0
MakeBatches = Callable[[], Iterator[Any]]


def main() -> None:
    args = _arguments()
    torch.set_num_threads(args.threads)
    with contextlib.ExitStack() as stack:
        place = stack.enter_context(tempfile.TemporaryDirectory())
        folder = args.data or str(Path(write_samples(Path(place) / "images")[0][0]).parent)
        datasets, built = make_datasets(folder, args.cache_dir or place)
        check_same(datasets)
        sides: dict[str, MakeBatches] = {
            f"adasr, cache {name}": ours(dataset, args) for name, dataset in datasets.items()
        }
        sides |= peers(folder, place, args)
        medians = measure(sides, args)
    for name, value in medians.items():
        print(f"{name:32s} {1 / value:9.2f} batches/s")
    disk, none = medians["adasr, cache disk"], medians["adasr, cache none"]
    report(
        medians,
        medians[READING] / disk,
        GOAL,
        args,
        batches_per_second={name: 1 / value for name, value in medians.items()},
        ratio_without_cache=medians[READING] / none,
        ratio_to_released=medians[BASICSR] / disk,
        **built,
    )


def _arguments() -> argparse.Namespace:
    made = parser(__doc__)
    made.add_argument("--batch", type=int, default=16)
    made.add_argument("--batches", type=int, default=20, help="timed batches in a round")
    made.add_argument("--workers", type=int, default=1)
    made.add_argument("--data", help="folder of GT images; scikit-image's samples by default")
    made.add_argument("--cache-dir", help="where the disk cache is; a temporary folder by default")
    made.set_defaults(rounds=5)
    return made.parse_args()


def make_datasets(folder: str, cache_dir: str) -> tuple[dict[str, ImageFolder], dict[str, Any]]:
    """Our data set with each cache, filled; seconds and MiB that the disk cache took."""
    datasets = {
        name: ImageFolder(
            folder,
            gt_size=128,
            scale=4,
            frame=FRAME,
            cache=name,
            cache_dir=cache_dir if name == "disk" else None,
        )
        for name in CACHES
    }
    begin = time.perf_counter()
    datasets["disk"].open_cache()
    seconds = time.perf_counter() - begin
    for index in range(len(datasets["ram"])):
        datasets["ram"][(index, 0)]
    size = sum(f.stat().st_size for f in Path(cache_dir).glob("gt-*.adasr"))
    print(f"{'disk cache':32s} {size / 2**20:9.1f} MiB, ready in {seconds:.2f} s")
    return datasets, {"images": len(datasets["none"]), "build_s": seconds, "mib": size / 2**20}


def check_same(datasets: dict[str, ImageFolder]) -> None:
    """Every cache gives the frames that the files give."""
    for key in itertools.product(range(min(8, len(datasets["none"]))), range(2)):
        frames = [dataset[key]["gt"] for dataset in datasets.values()]
        assert all(torch.equal(frame, frames[0]) for frame in frames), key


def ours(dataset: ImageFolder, args: argparse.Namespace) -> MakeBatches:
    """Fresh batches of our loader."""
    return lambda: iter(train_loader(dataset, args.batch, args.workers, seed=0))


def peers(folder: str, place: str, args: argparse.Namespace) -> dict[str, MakeBatches]:
    """Fresh batches of BasicSR's dataset, as it is and without drawing kernels."""
    from basicsr.data import realesrgan_dataset

    files = ImageFolder(folder, 128, 4).files
    names = Path(place) / "names.txt"
    names.write_text("".join(f"{name}\n" for name in files.names()))
    options = {
        **KERNELS,
        "dataroot_gt": folder,
        "meta_info": str(names),
        "use_hflip": True,
        "use_rot": True,
    }

    def batches() -> Iterator[Any]:
        dataset = realesrgan_dataset.RealESRGANDataset({**options, "io_backend": {"type": "disk"}})
        order = RandomSampler(dataset, replacement=True, num_samples=10**9)
        return iter(
            DataLoader(
                dataset,
                args.batch,
                sampler=order,
                num_workers=args.workers,
                worker_init_fn=seed,
            )
        )

    def reading() -> Iterator[Any]:
        kernel = np.zeros((21, 21))
        names = ("random_mixed_kernels", "circular_lowpass_kernel")
        with contextlib.ExitStack() as stack:  # forked workers keep what they see here
            for name in names:
                stack.enter_context(
                    mock.patch.object(realesrgan_dataset, name, lambda *_, **__: kernel)
                )
            stack.enter_context(
                mock.patch.object(realesrgan_dataset.random, "choice", lambda _: 21)
            )
            return batches()

    return {BASICSR: batches, READING: reading}


def measure(sides: dict[str, MakeBatches], args: argparse.Namespace) -> dict[str, float]:
    """Median seconds of a batch; what workers have made ahead is left out."""
    found: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(args.rounds):
        for name, make in sides.items():
            batches = make()
            for _ in range(2 * max(1, args.workers) + 1):
                next(batches)
            begin = time.perf_counter()
            for _ in range(args.batches):
                next(batches)
            found[name].append((time.perf_counter() - begin) / args.batches)
            del batches  # ends its workers
    return {name: statistics.median(seconds) for name, seconds in found.items()}


if __name__ == "__main__":
    main()
