"""What a GPU makes of a training: iterations a second, and how much of the card they use.

For each network: one iteration of ``adasr train`` (files to moving average, Adaptive Dropout), with
and without ``torch.compile``, the bare step of the plain network, BasicSR's released recipe where
its network is the same, waits for the device, and the model's arithmetic over the card's measured
rate of matrix products (MFU). ``ratio`` is BasicSR's time over ours for SRResNet. On a CPU all of
it runs, for a test, and means nothing.
"""

from __future__ import annotations

import argparse
import tempfile
import warnings
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch
from common import alternate, parser, report
from released_training import ReleasedTraining
from torch.utils.flop_counter import FlopCounterMode
from training import bare_step, our_side

from adasr.data.samples import write_samples

GOAL, BARE_SHARE_GOAL = 8.0, 0.9
NETWORKS: dict[str, dict[str, Any]] = {
    "SRResNet": {"type": "SRResNet", "num_feat": 64, "num_block": 16},
    "RRDBNet": {"type": "RRDBNet", "num_feat": 64, "num_block": 23},
    "SwinIR": {"type": "SwinIR"},
}
SMALL = {
    "SRResNet": {"num_block": 2},
    "RRDBNet": {"num_block": 1},
    "SwinIR": {"depths": [1, 1], "num_heads": [2, 2], "embed_dim": 12},
}


def main() -> None:
    args = _arguments()
    torch.set_num_threads(args.threads)
    rate = matrix_rate(args.device)
    found: dict[str, dict[str, float]] = {}
    medians: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        data = Path(args.data) if args.data else write_samples(place / "samples")[0][0].parent
        for name in args.networks:
            found[name] = measure(name, args, data, place / name, rate)
            medians |= {f"{name}, {key[:-2]}": v for key, v in found[name].items() if "_s" in key}
    first = found[args.networks[0]]
    ratio = first.get("released_s", 0.0) / first["iteration_s"]
    report(medians, ratio, GOAL, args, bare_share_goal=BARE_SHARE_GOAL, networks=found)


def _arguments() -> argparse.Namespace:
    made = parser(__doc__)
    made.add_argument("--data", help="folder of GT images; scikit-image's samples by default")
    made.add_argument("--batch", type=int, default=16)
    made.add_argument("--workers", type=int, default=4)
    made.add_argument("--networks", nargs="+", default=list(NETWORKS), choices=list(NETWORKS))
    made.add_argument("--compile", default="default", help="a mode of torch.compile, or none")
    made.add_argument("--small", action="store_true", help="tiny networks, to try the script")
    made.add_argument("--without-released", action="store_true")
    made.set_defaults(rounds=15)
    return made.parse_args()


def measure(
    name: str, args: argparse.Namespace, data: Path, place: Path, rate: float
) -> dict[str, float]:
    """Seconds, shares and waits of one network."""
    network = {**NETWORKS[name], **(SMALL[name] if args.small else {})}
    settings = argparse.Namespace(
        **vars(args), network=network, cache="ram" if args.device != "cpu" else "none", plain=False
    )
    modes = {"iteration_s": None}
    if args.compile != "none":
        modes["compiled_s"] = args.compile
    with ExitStack() as stack:
        works: dict[str, Callable[[], object]] = {}
        for key, mode in modes.items():
            side = our_side(settings, data, place / key, compile_mode=mode)
            trainer, works[key] = stack.enter_context(side)
        works["bare_s"] = bare_step(trainer, settings)
        if name == "SRResNet" and not args.without_released:
            blocks = network["num_block"]
            works["released_s"] = ReleasedTraining(
                data, args.device, args.batch, args.workers, num_block=blocks
            )
        found = dict(alternate(works, args.rounds, args.device, warm_up=4))
        with FlopCounterMode(display=False) as counter:
            works["bare_s"]()
        flops = counter.get_total_flops()
        best = min(found[key] for key in modes)
        found |= {
            "bare_share": found["bare_s"] / found["iteration_s"],
            "iterations_per_second": 1 / best,
            "mfu": flops / best / rate,
            "waits": waits(works["iteration_s"], args.device),
        }
    for key, value in found.items():
        print(f"{name:10s} {key:24s} {value:12.4f}")
    return found


def matrix_rate(device: str) -> float:
    """Operations a second of a large bf16 matrix product."""
    side = 8192 if device != "cpu" else 1024
    a, b = (torch.randn(side, side, device=device, dtype=torch.bfloat16) for _ in range(2))
    seconds = alternate({"product": lambda: a @ b}, 20, device)["product"]
    return 2 * side**3 / seconds


def waits(iterate: Callable[[], object], device: str) -> float:
    """How often the host waits for the device in an iteration, the mean of ten."""
    if not device.startswith("cuda"):
        return 0.0
    torch.cuda.set_sync_debug_mode("warn")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(10):
            iterate()
    torch.cuda.set_sync_debug_mode("default")
    return sum("synchronizing" in str(w.message) for w in caught) / 10


if __name__ == "__main__":
    main()
