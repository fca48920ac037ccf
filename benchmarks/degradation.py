"""What it costs to make 16 training pairs of Real-ESRGAN's process, against BasicSR.

Both sides start from GT in memory and draw their own kernels: BasicSR from 400x400 frames, as its
dataset gives them, adasr from what its trainer gives the degradation. The ratio is that to BasicSR
as released; the second one is to BasicSR with an exact separable filter in its USM, which is what
most of its time goes to.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from common import alternate, parser, report
from memory import peak_mib
from released import KERNELS, PROCESS, Released, SeparableUSM, read_frames, seed
from torch import Tensor
from torch.nn import functional as F

import adasr
from adasr.registry import DEGRADATION_REGISTRY

GT_SIZE, SCALE = 128, 4
OURS, RELEASED, SEPARABLE = "adasr", "BasicSR as released", "BasicSR, separable USM"
GOAL, SEPARABLE_GOAL, SHARE_GOAL = 100.0, 5.0, 0.1
MakeBatch = Callable[[], tuple[Tensor, Tensor]]


def main() -> None:
    args = _arguments()
    torch.set_num_threads(args.threads)
    if args.memory_of:
        print(json.dumps(memory(args)))
        return
    sides = {name: make_side(name, args) for name in (OURS, SEPARABLE, RELEASED)}
    check_usm(args.device)
    means = check_means(sides, args.checks)
    medians = alternate({OURS: sides[OURS], SEPARABLE: sides[SEPARABLE]}, args.rounds, args.device)
    # Apart, for it takes a hundred times as long; ours is timed again in between.
    both = {OURS: sides[OURS], RELEASED: sides[RELEASED]}
    slow = alternate(both, args.released_rounds, args.device, warm_up=1)
    medians[RELEASED] = slow[RELEASED]
    more: dict[str, object] = {"lq_means": means}
    if args.network:
        step = network_step(args)
        medians["bf16 training step"] = alternate({"step": step}, args.rounds, args.device)["step"]
        more["share_of_step"] = medians[OURS] / medians["bf16 training step"]
        more["share_goal"] = SHARE_GOAL
        print(
            f"{'share of the training step':32s} {more['share_of_step']:9.3f} (goal {SHARE_GOAL})"
        )
    if args.batches:
        more["memory"] = {name: run_memory(name, args) for name in (OURS, SEPARABLE)}
    more["ratio_separable"] = medians[SEPARABLE] / medians[OURS]
    more["goal_separable"] = SEPARABLE_GOAL
    print(
        f"{'ratio to the separable one':32s} {more['ratio_separable']:9.3f} (goal {SEPARABLE_GOAL})"
    )
    report(medians, medians[RELEASED] / medians[OURS], GOAL, args, **more)


def _arguments() -> argparse.Namespace:
    made = parser(__doc__)
    made.add_argument("--batch", type=int, default=16)
    made.add_argument("--data", help="folder of GT images; scikit-image's samples by default")
    made.add_argument("--released-rounds", type=int, default=3, help="rounds of the slow side")
    made.add_argument("--checks", type=int, default=20, help="batches whose means are compared")
    made.add_argument("--network", action="store_true", help="time a bf16 training step as well")
    made.add_argument("--batches", type=int, default=0, help="measure memory over so many batches")
    made.add_argument("--memory-of", choices=(OURS, SEPARABLE, RELEASED), help=argparse.SUPPRESS)
    made.set_defaults(rounds=21)
    return made.parse_args()


def make_side(name: str, args: argparse.Namespace) -> MakeBatch:
    """A function that makes one batch of pairs."""
    if name != OURS:
        frames = read_frames(args.data, args.batch).to(args.device)
        peer = Released(args.device, name == SEPARABLE, GT_SIZE, queue_size=args.batch)
        return lambda: peer(frames)
    degradation = DEGRADATION_REGISTRY.build(
        {"type": "RealESRGAN", **KERNELS, **PROCESS}, scale=SCALE
    )
    frames = read_frames(args.data, args.batch, degradation.frame_size(GT_SIZE))
    frames = (frames * 255).round().byte().to(args.device)
    generator = torch.Generator().manual_seed(0)
    return lambda: degradation(frames, generator, GT_SIZE)


def check_usm(device: str) -> None:
    """The separable filter gives the values of the released one."""
    from basicsr.utils import USMSharp

    image = read_frames(None, 1, 96).to(device)
    usm = USMSharp().to(device)
    error = (SeparableUSM(usm.radius).to(device)(image) - usm(image)).abs()
    # The mask of a pixel at the threshold may turn out either way.
    assert error.quantile(0.99) < 1e-5, "the separable USM is not that of BasicSR"


def check_means(sides: dict[str, MakeBatch], batches: int) -> dict[str, float]:
    """The LQ of both fast sides are as bright as one another; their means.

    Parameters are drawn for a sample here and partly for a batch there, which makes the means of
    batches scatter differently.
    """
    found: dict[str, Tensor] = {}
    for name in (OURS, SEPARABLE):
        seed(0)
        pairs = [sides[name]() for _ in range(batches)]
        shapes = {(tuple(lq.shape[1:]), tuple(gt.shape[1:])) for lq, gt in pairs}
        lq_size = GT_SIZE // SCALE
        assert shapes == {((3, lq_size, lq_size), (3, GT_SIZE, GT_SIZE))}, shapes
        found[name] = torch.stack([(lq.mean() - gt.mean()).double().cpu() for lq, gt in pairs])
    ours, theirs = found[OURS], found[SEPARABLE]
    error = float(((ours.var() + theirs.var()) / batches).sqrt())
    difference = float(ours.mean() - theirs.mean())
    assert abs(difference) < 4 * error + 0.25 / 255, f"LQ differ by {difference * 255:.2f} of 255"
    for name, values in found.items():
        print(f"{name:32s} {values.mean() * 255:+9.3f} mean of LQ - GT, in 1/255")
    return {name: float(values.mean()) for name, values in found.items()}


def network_step(args: argparse.Namespace) -> Callable[[], None]:
    """Forward, backward and Adam of SRResNet with 16 blocks, as fast as the trainer does them."""
    net = adasr.build_network({"type": "SRResNet", "upscale": SCALE}).to(args.device)
    net = net.to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-4, fused=True)
    lq = torch.rand(args.batch, 3, GT_SIZE // SCALE, GT_SIZE // SCALE, device=args.device)
    gt = torch.rand(args.batch, 3, GT_SIZE, GT_SIZE, device=args.device)
    lq = lq.to(memory_format=torch.channels_last)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(torch.device(args.device).type, torch.bfloat16):
            sr = net(lq)
        F.l1_loss(sr.float(), gt).backward()
        optimizer.step()

    return step


def run_memory(name: str, args: argparse.Namespace) -> dict[str, float]:
    """Memory of one side alone, in a process of its own."""
    passed = [f"--{key}={getattr(args, key)}" for key in ("batch", "batches", "threads", "device")]
    passed += [f"--data={args.data}"] if args.data else []
    command = [sys.executable, str(Path(__file__).resolve()), *passed, "--memory-of", name]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found = json.loads(printed.splitlines()[-1])
    print(f"{name:32s} peak {found['peak_mib']:.0f} MiB, {found['start_mib']:.0f} before the first")
    print(f"{'':32s} batch, {found['growth_mib']:+.1f} over the last nine tenths of the batches")
    return found


def memory(args: argparse.Namespace) -> dict[str, float]:
    """MiB: the peak, what was held before the first batch, and growth after a tenth of them."""
    make = make_side(args.memory_of, args)
    start, settled = _resident(), 0.0
    for number in range(args.batches):
        make()
        if number == args.batches // 10:
            settled = _resident()
    peak = peak_mib()
    found = {"start_mib": start, "peak_mib": peak, "growth_mib": _resident() - settled}
    if args.device != "cpu":
        found["peak_device_mib"] = torch.cuda.max_memory_allocated() / 2**20
    return found


def _resident() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


if __name__ == "__main__":
    main()
