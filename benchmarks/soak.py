"""Memory of a long training: of the process and its workers at 10 %, 50 % and the end.

A small network with the real loop, loader and degradation, on scikit-image's samples or a folder
of images. The ratio is the growth that is allowed over the growth from 10 % to the end; memory is
the proportional set size, in which pages that several processes share count once.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
import yaml
from common import parser, report
from memory import family_mib

from adasr.data.samples import write_samples
from adasr.options import load_options
from adasr.training.run import run_training
from adasr.training.trainer import Trainer

ALLOWED_MIB = 32.0
POINTS = (0.1, 0.5, 1.0)


def main() -> None:
    args = _arguments()
    torch.set_num_threads(args.threads)
    with tempfile.TemporaryDirectory() as place:
        begin = time.perf_counter()
        points = train(args, Path(place))
        seconds = time.perf_counter() - begin
    for iteration, held in points.items():
        workers = ", ".join(f"{worker['own']:.0f}" for worker in held["workers"])
        print(
            f"iteration {iteration:<8d} {held['total']:9.1f} MiB, of which the main process's own "
            f"{held['main']['own']:.1f}, workers' own {workers or 'none'}"
        )
    first, last = points[min(points)], points[max(points)]
    growth = last["total"] - first["total"]
    own = last["main"]["own"] - first["main"]["own"]
    print(f"{'growth':32s} {growth:+9.1f} MiB (allowed {ALLOWED_MIB:.0f}), own {own:+.1f}")
    report(
        {"iteration": seconds / args.iterations},
        ALLOWED_MIB / max(growth, 1.0),
        1.0,
        args,
        iterations=args.iterations,
        growth_mib=growth,
        growth_main_own_mib=own,
        points={str(iteration): held for iteration, held in points.items()},
        cache=args.cache,
    )


def _arguments() -> argparse.Namespace:
    made = parser(__doc__)
    made.add_argument("--iterations", type=int, default=10_000)
    made.add_argument("--batch", type=int, default=4)
    made.add_argument("--gt-size", type=int, default=64)
    made.add_argument("--workers", type=int, default=1)
    made.add_argument("--cache", choices=("none", "ram", "disk"), default="none")
    made.add_argument("--data", help="folder of GT images; scikit-image's samples by default")
    return made.parse_args()


def train(args: argparse.Namespace, place: Path) -> dict[int, dict[str, Any]]:
    """Train, and look at the memory on the way; iteration -> what was held."""
    folder = args.data or str(write_samples(place / "images")[0][0].parent)
    train_set = {
        "type": "ImageFolder",
        "dataroot_gt": folder,
        "gt_size": args.gt_size,
        "batch_size_per_gpu": args.batch,
        "num_worker_per_gpu": args.workers,
        "cache": args.cache,
    }
    if args.cache == "disk":
        train_set["cache_dir"] = str(place / "cache")
    options = {
        "name": "soak",
        "scale": 4,
        "network_g": {"type": "SRResNet", "num_feat": 8, "num_block": 1},
        "degradation": {"type": "RealESRGAN"},
        "datasets": {"train": train_set},
        "train": {"total_iter": args.iterations, "precision": "fp32", "optim_g": {"type": "Adam"}},
        "path": {"experiments_root": str(place / "experiments")},
        "logger": {
            "print_freq": 100,
            "save_checkpoint_freq": max(1, args.iterations // 10),
            "use_tb_logger": False,
        },
    }
    file = place / "options.yml"
    file.write_text(yaml.safe_dump(options))
    wanted = {max(1, round(part * args.iterations)) for part in POINTS}
    points: dict[int, dict[str, Any]] = {}
    iterate = Trainer.iterate

    def watched(self: Trainer, *arguments: Any) -> Any:
        losses = iterate(self, *arguments)
        if self.result.iteration in wanted:
            points[self.result.iteration] = family_mib()
        return losses

    Trainer.iterate = watched  # type: ignore[method-assign]
    try:
        run_training(load_options(file), quiet=True)
    finally:
        Trainer.iterate = iterate  # type: ignore[method-assign]
    return points


if __name__ == "__main__":
    main()
