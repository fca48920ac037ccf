"""Whole training iterations of SRResNet with Adaptive Dropout at all sites, against BasicSR.

From files to the moving average: reading, cropping, Real-ESRGAN's degradation, network, loss,
backward, optimizer, EMA; batch 16, GT 128, x4. The peer is the released recipe out of BasicSR's
classes: its data set with frames of 400 pixels, fp32, the blend in three operations. A second peer
has an exact separable filter in its USM, where most of its degradation's time goes. Beside them the
bare step of the same network: forward, backward, fused Adam, in our precision and memory format.

Every side makes several iterations at a turn; the first ones of a turn don't count, for they profit
from what the loader's workers decoded while the others had their turn. adasr tells glibc to keep
freed memory, for the bare step too; the peers have it as glibc does it by itself, or as adasr has
it (``--shared-memory``).
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import torch
import yaml
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from blend import check_blend
from common import parser, release_freed_memory, report
from memory import family_mib, peak_mib
from released_training import ReleasedTraining
from torch.nn import functional as F

from adasr.data.samples import write_samples
from adasr.memory import keep_freed_memory
from adasr.options import load_options
from adasr.training.backends import set_backends
from adasr.training.log import TrainingLog
from adasr.training.precision import resolve_precision
from adasr.training.run import make_trainer
from adasr.training.trainer import Trainer

OURS, RELEASED = "adasr", "BasicSR as released"
SEPARABLE, BARE = "BasicSR, separable USM", "bare network step"
GOAL, BARE_GOAL = 10.0, 1.15


def main() -> None:
    args = _arguments()
    torch.set_num_threads(args.threads)
    with ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder = Path(args.data) if args.data else write_samples(place / "samples")[0][0].parent
        if args.memory_of:
            print(json.dumps(memory(args, folder, place)))
            return
        check_blend(0.5, 0.3, args.device)
        trainer, ours = stack.enter_context(our_side(args, folder, place))
        sides: dict[str, Callable[[], object]] = {OURS: ours, BARE: bare_step(trainer, args)}
        for name in args.peers:
            sides[name] = released_side(name, args, folder)
        medians = take_turns(sides, args)
        speed = trainer.meter.read()
        more: dict[str, object] = {
            "bare_ratio": medians[OURS] / medians[BARE],
            "bare_goal": BARE_GOAL,
            "data_wait": speed["data_wait"],
            "degradation": speed["degradation"],
            "precision": trainer.accelerator.mixed_precision,
        }
    print(f"{'iteration over bare step':32s} {more['bare_ratio']:9.3f} (goal {BARE_GOAL})")
    print(f"{'share waiting for data':32s} {more['data_wait']:9.3f}")
    if SEPARABLE in medians:
        more["ratio_separable"] = medians[SEPARABLE] / medians[OURS]
        print(f"{'ratio to the separable one':32s} {more['ratio_separable']:9.3f}")
    if args.memory:
        more["memory_mib"] = {name: peak_of(name, args) for name in (OURS, RELEASED)}
    report(medians, medians.get(RELEASED, 0.0) / medians[OURS], GOAL, args, **more)


def _arguments() -> argparse.Namespace:
    made = parser(__doc__)
    made.add_argument("--data", help="folder of GT images; scikit-image's samples by default")
    made.add_argument("--batch", type=int, default=16)
    made.add_argument("--blocks", type=int, default=16)
    made.add_argument("--workers", type=int, default=1)
    made.add_argument("--cache", default="none", help="datasets.train.cache of our side")
    made.add_argument("--plain", action="store_true", help="our side without regularizer")
    made.add_argument("--turn", type=int, default=8, help="iterations of ours at a turn")
    made.add_argument("--released-turn", type=int, default=4, help="iterations of the slow sides")
    made.add_argument("--skip", type=int, default=3, help="first iterations of a turn left out")
    made.add_argument("--peers", nargs="*", default=[SEPARABLE, RELEASED])
    made.add_argument("--shared-memory", action="store_true", help="the peers keep memory too")
    made.add_argument("--memory", action="store_true", help="peak memory, each side by itself")
    made.add_argument("--memory-of", choices=(OURS, RELEASED), help=argparse.SUPPRESS)
    made.set_defaults(rounds=5)
    args = made.parse_args()
    args.network = {"type": "SRResNet", "num_feat": 64, "num_block": args.blocks}
    return args


@contextmanager
def our_side(
    args: argparse.Namespace, folder: Path, place: Path, compile_mode: str | None = None
) -> Iterator[tuple[Trainer, Callable[[], None]]]:
    """The trainer as ``adasr train`` builds it, and a function that makes one iteration."""
    place.mkdir(parents=True, exist_ok=True)
    learning = {"optim_g": {"type": "Adam", "lr": 2e-4}, "compile": compile_mode or False}
    train = {
        "type": "ImageFolder",
        "dataroot_gt": str(folder),
        "gt_size": 128,
        "batch_size_per_gpu": args.batch,
        "num_worker_per_gpu": args.workers,
    }
    if args.cache != "none":
        train["cache"] = args.cache
    options = {
        "name": "benchmark",
        "scale": 4,
        "manual_seed": 0,
        "network_g": args.network,
        "degradation": {"type": "RealESRGAN"},
        "datasets": {"train": train},
        "path": {"experiments_root": str(place)},
        "train": {"total_iter": 10**6, "ema_decay": 0.999, **learning},
        "logger": {"use_tb_logger": False},
    }
    if not args.plain:
        options["regularizer"] = {"type": "AdaptiveDropout", "p": 0.5, "weight": 0.3}
    file = place / "benchmark.yml"
    file.write_text(yaml.safe_dump(options))
    checked = load_options(file)
    cpu = args.device == "cpu"
    set_backends(torch.device(args.device), deterministic=False)
    AcceleratorState._reset_state()
    precision = resolve_precision("auto", torch.device(args.device))
    accelerator = Accelerator(cpu=cpu, mixed_precision={"fp32": "no"}.get(precision, precision))
    torch.set_num_threads(args.threads)  # Accelerate has its own idea
    with TrainingLog(place / "run", 10**6, tensorboard=False, quiet=True) as log:
        trainer = make_trainer(checked, accelerator, place / "run", log)
        with trainer.pairs() as source:
            yield trainer, lambda: _iterate(trainer, source)


def _iterate(trainer: Trainer, source: object) -> None:
    trainer.iterate(source, trainer.result.iteration + 1)  # type: ignore[arg-type]


def bare_step(trainer: Trainer, args: argparse.Namespace) -> Callable[[], None]:
    """Forward, backward and fused Adam of the plain network on one and the same batch."""
    from adasr import build_network

    net = build_network({"upscale": 4, **args.network}).to(args.device)
    half = trainer.accelerator.mixed_precision != "no"
    if half:
        net = net.to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-4, fused=True)
    lq = torch.rand(args.batch, 3, 32, 32, device=args.device)
    gt = torch.rand(args.batch, 3, 128, 128, device=args.device)

    def step() -> None:
        with trainer.accelerator.autocast():
            sr = net(lq)
        F.l1_loss(sr.float(), gt).backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return step


def released_side(name: str, args: argparse.Namespace, folder: Path) -> ReleasedTraining:
    """The released recipe, with its own USM or a separable one."""
    return ReleasedTraining(
        folder, args.device, args.batch, args.workers, name == SEPARABLE, args.blocks
    )


def take_turns(
    sides: dict[str, Callable[[], object]], args: argparse.Namespace
) -> dict[str, float]:
    """Median seconds of an iteration; every side has one turn in a round."""
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(args.rounds + 1):
        for name, iterate in sides.items():
            keep_freed_memory()
            if name in (RELEASED, SEPARABLE) and not args.shared_memory:
                release_freed_memory()
            slow = name in (RELEASED, SEPARABLE)
            turn = args.released_turn if slow else args.turn
            # Two batches are what a worker has ready; a slow side's own turn uses them up sooner.
            skip = min(args.skip, turn - 1)
            for i in range(turn):
                begin = time.perf_counter()
                iterate()
                if args.device.startswith("cuda"):
                    torch.cuda.synchronize()
                if number and i >= skip:
                    seconds[name].append(time.perf_counter() - begin)
    return {name: statistics.median(found) for name, found in seconds.items()}


def peak_of(name: str, args: argparse.Namespace) -> dict[str, float]:
    """Peak memory of one side alone, in a process of its own."""
    passed = [f"--{key}={getattr(args, key)}" for key in ("batch", "blocks", "workers", "threads")]
    passed += [f"--device={args.device}", f"--cache={args.cache}"]
    passed += [f"--data={args.data}"] if args.data else []
    command = [sys.executable, str(Path(__file__).resolve()), *passed, "--memory-of", name]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found = json.loads(printed.splitlines()[-1])
    workers = f"{found['with_workers_mib']:.0f} with its workers between iterations"
    print(f"{name:32s} {found['peak_mib']:9.0f} MiB at the peak, {workers}")
    return found


def memory(args: argparse.Namespace, folder: Path, place: Path) -> dict[str, float]:
    """MiB at the peak of the process, and between iterations with its workers."""
    with ExitStack() as stack:
        if args.memory_of == OURS:
            _, iterate = stack.enter_context(our_side(args, folder, place))
        else:
            iterate = released_side(RELEASED, args, folder)
        held = []
        for _ in range(args.turn):
            iterate()
            held.append(family_mib()["total"])
    found = {"peak_mib": peak_mib(), "with_workers_mib": max(held)}
    if args.device != "cpu":
        found["peak_device_mib"] = torch.cuda.max_memory_allocated() / 2**20
    return found


if __name__ == "__main__":
    main()
