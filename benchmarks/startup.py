"""Seconds from the command to the result of one small image, against ``import torch`` alone.

Both are processes of their own, in turn. torch takes a second to import and cannot be had for less,
so the allowance is 1.5 times that: the ratio is 1.5 x ``import torch`` over ``adasr infer``, and at
1 the allowance is used up.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from common import alternate, parser, report

from adasr.data.images import read_image, write_image
from adasr.weights import build_network, save_network

OURS, TORCH = "adasr infer", "import torch"
ALLOWANCE, GOAL = 1.5, 1.0
SIDE = 64


def main() -> None:
    args = _arguments()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        command = prepare(folder, args)
        run(command)
        assert read_image(folder / "out/image.png").shape == (4 * SIDE, 4 * SIDE, 3)
        works = {
            TORCH: lambda: run([sys.executable, "-c", "import torch"]),
            OURS: lambda: run(command),
        }
        medians = alternate(works, args.rounds, "cpu", warm_up=1)
    ratio = ALLOWANCE * medians[TORCH] / medians[OURS]
    report(medians, ratio, GOAL, args, times_import_torch=medians[OURS] / medians[TORCH])


def _arguments() -> argparse.Namespace:
    made = parser(__doc__)
    made.add_argument("--num-feat", type=int, default=64)
    made.add_argument("--num-block", type=int, default=16)
    return made.parse_args()


def prepare(folder: Path, args: argparse.Namespace) -> list[str]:
    """Weights and an image, and the command that enlarges it."""
    torch.manual_seed(0)
    options = {"type": "SRResNet", "num_feat": args.num_feat, "num_block": args.num_block}
    save_network(folder / "net.safetensors", build_network(options))
    pixels = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), np.uint8)
    write_image(folder / "image.png", pixels)
    command = [sys.executable, "-m", "adasr", "infer", "-i", str(folder / "image.png")]
    command += ["-o", str(folder / "out"), "-m", str(folder / "net.safetensors")]
    return [*command, "--device", args.device]


def run(command: list[str]) -> None:
    """In a process of its own, quietly."""
    threads = {"OMP_NUM_THREADS": str(torch.get_num_threads())}
    subprocess.run(command, check=True, capture_output=True, env={**os.environ, **threads})


if __name__ == "__main__":
    main()
