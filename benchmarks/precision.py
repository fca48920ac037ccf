"""Whether a short training in bf16 ends where one in fp32 does.

The quickstart's network and degradations, the same seeds, batches and masks in both precisions;
compared is the PSNR at the end, the mean over the validation images and recipes. ``ratio`` is the
difference that is allowed, 0.1 dB, over the mean difference seen.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import torch
from common import parser, report

from adasr.data.samples import write_samples
from adasr.options import load_options
from adasr.training.run import run_training

QUICKSTART = Path(__file__).parents[1] / "options" / "train" / "quickstart.yml"
ALLOWED_DB = 0.1


def main() -> None:
    args = _arguments()
    torch.set_num_threads(args.threads)
    scores: dict[str, list[float]] = {precision: [] for precision in args.precisions}
    seconds: dict[str, list[float]] = {precision: [] for precision in args.precisions}
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        images, held_out = write_samples(place / "samples")
        train = args.data or str(images[0].parent)
        val = args.val or str(held_out[0].parent)
        for seed in range(args.seeds):
            for precision in args.precisions:
                begin = time.perf_counter()
                scores[precision].append(train_once(precision, seed, train, val, args, place))
                seconds[precision].append(time.perf_counter() - begin)
                print(f"seed {seed} {precision:8s} {scores[precision][-1]:9.4f} dB")
    base = scores[args.precisions[0]]
    differences = {
        precision: [value - b for value, b in zip(found, base, strict=True)]
        for precision, found in scores.items()
    }
    means = {precision: statistics.mean(found) for precision, found in differences.items()}
    for precision, mean in means.items():
        print(f"{precision} less {args.precisions[0]:24s} {mean:+9.4f} dB")
    largest = max(abs(mean) for mean in means.values())
    medians = {precision: statistics.median(found) for precision, found in seconds.items()}
    report(
        medians,
        ALLOWED_DB / max(largest, 1e-6),
        1.0,
        args,
        psnr_db=scores,
        difference_db=differences,
        iterations=args.iterations,
        seeds=args.seeds,
    )


def _arguments() -> argparse.Namespace:
    made = parser(__doc__)
    made.add_argument("--iterations", type=int, default=600)
    made.add_argument("--seeds", type=int, default=3)
    made.add_argument("--precisions", nargs="+", default=["fp32", "bf16"])
    made.add_argument("--data", help="folder of GT images; scikit-image's samples by default")
    made.add_argument("--val", help="folder of validation images; samples by default")
    return made.parse_args()


def train_once(
    precision: str, seed: int, train: str, val: str, args: argparse.Namespace, place: Path
) -> float:
    """PSNR in dB at the end of a run."""
    name, total = f"{precision}_{seed}", args.iterations
    changes = {
        "name": name,
        "manual_seed": seed,
        "path.experiments_root": str(place / "runs"),
        "datasets.train.dataroot_gt": train,
        "datasets.val.dataroot_gt": val,
        "train.precision": precision,
        "train.total_iter": total,
        "train.scheduler.periods": f"[{total}]",
        "val.val_freq": total,
        "val.metrics": "{psnr: {crop_border: 4}}",
        "logger.save_checkpoint_freq": total,
    }
    options = load_options(QUICKSTART, [f"{key}={value}" for key, value in changes.items()])
    return run_training(options, quiet=True).scores["val/psnr"]


if __name__ == "__main__":
    main()
