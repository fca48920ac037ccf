"""Kill a training again and again, resume it, and compare it with one that nobody disturbed.

A tiny network trains with everything that has a state: a loader's worker, the degradations of
Real-ESRGAN, annealed Adaptive Dropout, averaged weights, Adam, a learning-rate schedule. Its group
of processes gets SIGKILL at moments of three kinds in turn: while a checkpoint is being written (a
temporary file is there), between 0 and 0.4 seconds after a checkpoint, and anywhere from the launch
on. After every kill each checkpoint must be readable; at the end all tensors must be those of the
undisturbed run. ``ratio`` is the share of kills after which everything was readable, or 0 where the
end differs.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from common import parser
from safetensors import SafetensorError
from safetensors.torch import load_file

import adasr
from adasr.data.images import write_image
from adasr.training.log import read_metrics

KINDS = ("save", "after a save", "any moment")
LIMIT = 120.0  # seconds that a run may take to its first checkpoint


def main() -> int:
    made = parser(__doc__)
    made.add_argument("--kills", type=int, default=50)
    made.add_argument("--seed", type=int, default=0, help="of the moments")
    args = made.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        return measure(Path(folder), args)


def measure(folder: Path, args: argparse.Namespace) -> int:
    """Both runs in ``folder`` and the report; 0 when nothing was lost."""
    begin = time.perf_counter()
    total = 100 + 80 * args.kills  # a life moves some 60 iterations on an idle machine
    options = write_options(folder, total)
    undisturbed = start(options, "whole", args.threads)
    if undisturbed.wait() != 0:
        raise SystemExit(f"the undisturbed run failed: {log_of(folder, 'whole')}")
    seconds = time.perf_counter() - begin
    moments = random.Random(args.seed)
    kinds: Counter[str] = Counter()
    in_saves = kills = 0
    unreadable: list[str] = []
    experiment = folder / "experiments" / "killed"
    while kills < args.kills:
        kind = KINDS[kills % len(KINDS)]
        process = start(options, "killed", args.threads)
        wait_for(kind, process, experiment, moments, seconds)
        if process.poll() is not None:
            if process.returncode != 0:
                raise SystemExit(f"a resumed run failed: {log_of(folder, 'killed')}")
            break  # finished: the kills that are left have nothing to kill
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        kills += 1
        kinds[kind] += 1
        cut = half_written(experiment)
        in_saves += bool(cut)
        broken = list(faults(experiment))
        unreadable += broken
        print(f"kill {kills}: {kind}, states {iterations(experiment)}, cut off {cut} {broken}")
    last = start(options, "killed", args.threads)
    if last.wait() != 0:
        raise SystemExit(f"the last run failed: {log_of(folder, 'killed')}")
    differing = list(differences(folder / "experiments", total))
    leftovers = half_written(experiment)
    good = not (unreadable or differing or leftovers)
    result = {
        "ratio": 0.0 if differing or leftovers else 1 - len(unreadable) / max(kills, 1),
        "goal": 1.0,
        "kills": kills,
        "kinds": dict(kinds),
        "kills_in_saves": in_saves,
        "unreadable": unreadable,
        "differing": differing,
        "leftovers": leftovers,
        "iterations": total,
        "seconds": round(time.perf_counter() - begin, 1),
        "seed": args.seed,
        "threads": args.threads,
        "versions": {"adasr": adasr.__version__, "torch": torch.__version__},
    }
    print(f"{kills} kills, {in_saves} of them in a save: " + ("nothing lost" if good else "LOST"))
    if args.json:
        print(json.dumps(result))
    return 0 if good else 1


def write_options(folder: Path, total: int) -> Path:
    """A few textured images and the options of a tiny training on them."""
    drawn = np.random.default_rng(0)
    for index in range(5):
        coarse = drawn.random((9, 9, 3)).repeat(8, 0).repeat(8, 1)
        write_image(folder / "images" / f"{index}.png", (coarse * 255).astype(np.uint8))
    options = {
        "name": "whole",
        "scale": 2,
        "manual_seed": 1,
        "network_g": {"type": "SRResNet", "num_feat": 8, "num_block": 2},
        "regularizer": {
            "type": "AdaptiveDropout",
            "schedule": {"type": "LayerwiseAnnealing", "interval": total // 4},
        },
        "degradation": {"type": "RealESRGAN", "frame": 32},
        "datasets": {
            "train": {
                "type": "ImageFolder",
                "dataroot_gt": str(folder / "images"),
                "gt_size": 32,
                "batch_size_per_gpu": 2,
                "num_worker_per_gpu": 1,
            }
        },
        "path": {"experiments_root": str(folder / "experiments")},
        "train": {
            "total_iter": total,
            "precision": "fp32",
            "ema_decay": 0.9,
            "optim_g": {"type": "Adam", "lr": 1e-3},
            "scheduler": {"type": "MultiStepLR", "milestones": [total // 2], "gamma": 0.5},
        },
        "logger": {"print_freq": 1, "save_checkpoint_freq": 2, "use_tb_logger": True},
    }
    path = folder / "options.yml"
    path.write_text(yaml.safe_dump(options))
    return path


def start(options: Path, name: str, threads: int) -> subprocess.Popen[bytes]:
    """``adasr train --auto-resume`` as the first of a group of processes."""
    command = [sys.executable, "-m", "adasr", "train", "-opt", str(options), "--auto-resume"]
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "PYTHONUNBUFFERED": "1"}
    with options.with_name(f"{name}.out").open("wb") as told:
        return subprocess.Popen(
            [*command, "--set", f"name={name}"],
            stdout=told,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )


def log_of(folder: Path, name: str) -> str:
    return (folder / f"{name}.out").read_text()[-2000:]


def wait_for(
    kind: str,
    process: subprocess.Popen[bytes],
    experiment: Path,
    moments: random.Random,
    seconds: float,
) -> None:
    """Return at the next moment of this kind, or when the process has ended."""
    if kind == "any moment":
        pause(process, moments.uniform(0.0, min(seconds, 8.0)))
        return
    skip, limit = moments.randint(0, 6), time.monotonic() + LIMIT
    before, old = newest(experiment), set(half_written(experiment))
    while process.poll() is None and time.monotonic() < limit:
        now = newest(experiment)
        if kind == "after a save" and now > before:
            pause(process, moments.uniform(0.0, 0.4))
            return
        if kind == "save" and (new := set(half_written(experiment)) - old):
            if not skip:
                return
            skip, old = skip - 1, old | new
        time.sleep(0.0002)


def pause(process: subprocess.Popen[bytes], seconds: float) -> None:
    end = time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < end:
        time.sleep(0.002)


def checkpoints(experiment: Path) -> Iterator[Path]:
    for name in ("models", "training_states"):
        place = experiment / name
        if place.is_dir():
            yield from place.iterdir()


def half_written(experiment: Path) -> list[str]:
    """Temporary names beside the checkpoints."""
    return [path.name for path in checkpoints(experiment) if path.name.startswith(".")]


def iterations(experiment: Path) -> list[int]:
    return sorted(int(path.stem) for path in checkpoints(experiment) if path.match("[0-9]*.state"))


def newest(experiment: Path) -> int:
    return max(iterations(experiment), default=0)


def faults(experiment: Path) -> Iterator[str]:
    """Checkpoints that cannot be read although they have their final names."""
    for path in checkpoints(experiment):
        if path.name.startswith("."):
            continue
        try:
            if path.suffix == ".state":
                torch.load(path, map_location="cpu", weights_only=True)
            elif path.suffix == ".safetensors":
                load_file(path)
        except (SafetensorError, OSError, RuntimeError, EOFError, ValueError) as error:
            yield f"{path.name}: {error}"


def differences(experiments: Path, total: int) -> Iterator[str]:
    """Where the killed run's end differs from the undisturbed one's."""
    whole, killed = experiments / "whole", experiments / "killed"
    states = [
        torch.load(place / "training_states" / f"{total}.state", weights_only=True)
        for place in (whole, killed)
    ]
    for key in ("iteration", "network", "ema", "optimizer", "random"):
        yield from unequal(states[0][key], states[1][key], key)
    weights = [load_file(p / "models" / f"net_g_{total}.safetensors") for p in (whole, killed)]
    yield from unequal(*weights, "weights")
    losses = [
        [(r["iteration"], r["l_pix"]) for r in read_metrics(place) if r["kind"] == "train"]
        for place in (whole, killed)
    ]
    yield from unequal(*losses, "metrics.jsonl")


def unequal(a: Any, b: Any, place: str) -> Iterator[str]:
    if isinstance(a, torch.Tensor):
        same = isinstance(b, torch.Tensor) and torch.equal(a, b)
        yield from [] if same else [place]
    elif isinstance(a, dict) and isinstance(b, dict) and a.keys() == b.keys():
        for key in a:
            yield from unequal(a[key], b[key], f"{place}/{key}")
    elif isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        for index, (x, y) in enumerate(zip(a, b, strict=True)):
            yield from unequal(x, y, f"{place}/{index}")
    elif a != b:
        yield place


if __name__ == "__main__":
    sys.exit(main())
