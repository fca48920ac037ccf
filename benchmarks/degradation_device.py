"""What training pairs of Real-ESRGAN's process cost on the device that trains.

The ways from 400x400 frames to (LQ 32x32, GT 128x128) at x4: adasr's batched path on the device,
also replayed from a CUDA graph and through ``torch.compile``; adasr's path on the host with the
copies to the device; BasicSR's ``feed_data`` on the device with kernels from its dataset. Beside
them a bf16 training step of SRResNet. ``ratio`` is BasicSR's to the batched path at the first batch
size, 0 where BasicSR is not installed; waits for the device are counted too. On a CPU all of it
runs, for a test, and means nothing.
"""

from __future__ import annotations

import argparse
import statistics
import time
import warnings
from collections.abc import Callable

import torch
from common import parser, report
from torch import Tensor
from torch.nn import functional as F

import adasr
from adasr.registry import DEGRADATION_REGISTRY

SCALE = 4
BATCHED, HOST = "adasr, batched on the device", "adasr, host and copy"
GRAPH, COMPILED = "adasr, CUDA graph", "adasr, compiled"
COMPILED_GRAPH = "adasr, compiled, CUDA graph"
BASICSR, STEP = "BasicSR on the device", "bf16 training step"
GOAL, SHARE_GOAL = 5.0, 0.1
Work = Callable[[], object]


def main() -> None:
    args = _arguments()
    torch.set_num_threads(args.threads)
    medians: dict[str, float] = {}
    batches: dict[str, dict] = {}
    for batch in args.batch:
        found = measure(batch, args)
        batches[str(batch)] = found
        medians |= {f"{name}, {batch}": times["wall_s"] for name, times in found["times"].items()}
    first = batches[str(args.batch[0])]
    report(medians, first["ratio"], GOAL, args, share_goal=SHARE_GOAL, batches=batches)


def _arguments() -> argparse.Namespace:
    made = parser(__doc__)
    made.add_argument("--batch", type=int, nargs="+", default=[16, 64])
    made.add_argument("--frame", type=int, default=400)
    made.add_argument("--gt-size", type=int, default=128)
    made.add_argument("--blocks", type=int, default=16, help="of the network")
    made.add_argument("--data", help="folder of GT images; random pictures by default")
    made.add_argument("--compile", action="store_true", help="also through torch.compile")
    made.add_argument("--without", nargs="*", default=[], choices=("basicsr", "graph", "host"))
    made.set_defaults(rounds=21)
    return made.parse_args()


def measure(batch: int, args: argparse.Namespace) -> dict:
    """Times, waits and shares of the training step at one batch size."""
    frames = read_frames(batch, args)
    works = make_works(frames, args)
    check_means(works)
    times = alternate(works, args.rounds, args.device)
    step = times[STEP]["wall_s"]
    found: dict = {
        "times": times,
        "waits": {name: count_waits(works[name], args.device) for name in works if name != STEP},
        "share_of_step": {n: t["wall_s"] / step for n, t in times.items() if n != STEP},
        "ratio": times[BASICSR]["wall_s"] / times[BATCHED]["wall_s"] if BASICSR in times else 0.0,
        "peak_mib": peak_memory(works[BATCHED], args.device),
    }
    for name, share in found["share_of_step"].items():
        waits = found["waits"][name]
        print(f"{batch:3d} {name:32s} {share:8.3f} of a step (goal {SHARE_GOAL}), waits {waits}")
    return found


def read_frames(count: int, args: argparse.Namespace) -> Tensor:
    """(count, 3, frame, frame) uint8 on the host, pinned where there is a GPU."""
    if args.data:
        from released import read_frames as read

        frames = read(args.data, count, args.frame)
    else:
        generator = torch.Generator().manual_seed(0)
        frames = torch.full((count, 3, args.frame, args.frame), 0.5)
        for size in (64, 16, 4, 2):
            side = max(2, args.frame // size)
            coarse = torch.randn(count, 3, side, side, generator=generator)
            frames += 0.12 * F.interpolate(coarse, frames.shape[-2:], mode="bicubic")
    frames = (frames.clamp(0, 1) * 255).round().byte()
    return frames.pin_memory() if args.device.startswith("cuda") else frames


def make_works(frames: Tensor, args: argparse.Namespace) -> dict[str, Work]:
    """The sides; each makes one batch, of frames that are where it needs them."""
    device, gt_size = args.device, args.gt_size
    here = frames.to(device)
    degradation = DEGRADATION_REGISTRY.build(
        {"type": "RealESRGAN", "frame": args.frame}, scale=SCALE
    )
    generator, host = torch.Generator(device).manual_seed(0), torch.Generator().manual_seed(0)

    def batched() -> tuple[Tensor, Tensor]:
        return degradation.degrade_together(here, generator, gt_size)

    def on_host() -> tuple[Tensor, ...]:
        pairs = degradation(frames, host, gt_size)
        return tuple(images.to(device) for images in pairs)

    works: dict[str, Work] = {BATCHED: batched, STEP: training_step(len(frames), args)}
    if args.compile:
        fused = DEGRADATION_REGISTRY.build({"type": "RealESRGAN", "frame": args.frame}, scale=SCALE)
        # Random numbers of a generator stay outside: the graph is broken there.
        fused._degrade_batch = torch.compile(fused._degrade_batch, dynamic=False)
        works[COMPILED] = lambda: fused.degrade_together(here, generator, gt_size)
    if "graph" not in args.without and device.startswith("cuda"):
        for name, of in ((GRAPH, BATCHED), (COMPILED_GRAPH, COMPILED)):
            if of in works:
                works[name] = graphed(works[of], generator)
    if "host" not in args.without:
        works[HOST] = on_host
    if "basicsr" not in args.without and (peer := make_peer(len(frames), args)) is not None:
        floats = here.float() / 255
        works[BASICSR] = lambda: peer(floats)
    return works


def make_peer(batch: int, args: argparse.Namespace) -> Callable[[Tensor], object] | None:
    """BasicSR with its queue, or None where it is not installed."""
    try:
        from released import Released
    except ImportError as error:
        print(f"without BasicSR: {error}")
        return None
    return Released(args.device, gt_size=args.gt_size, queue_size=batch)


def graphed(work: Work, generator: torch.Generator) -> Work:
    """The work as one CUDA graph, which costs the host a single launch."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            work()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    graph.register_generator_state(generator)
    with torch.cuda.graph(graph):
        result = work()

    def replay() -> object:
        graph.replay()
        return result

    return replay


def training_step(batch: int, args: argparse.Namespace) -> Work:
    """Forward, backward and Adam of SRResNet, as fast as the trainer does them."""
    device = torch.device(args.device)
    net = adasr.build_network({"type": "SRResNet", "upscale": SCALE, "num_block": args.blocks})
    net = net.to(device)
    net = net.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-4, fused=True)
    side = args.gt_size // SCALE
    lq = torch.rand(batch, 3, side, side, device=device).to(memory_format=torch.channels_last)
    gt = torch.rand(batch, 3, args.gt_size, args.gt_size, device=device)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(device.type, torch.bfloat16):
            sr = net(lq)
        F.l1_loss(sr.float(), gt).backward()
        optimizer.step()

    return step


def check_means(works: dict[str, Work], batches: int = 8) -> None:
    """All sides make finite pairs of one shape, and LQ about as bright as their GT."""
    shapes = set()
    for name, work in works.items():
        if name == STEP:
            continue
        gaps = []
        for _ in range(batches):
            lq, gt = work()  # pyright: ignore[reportGeneralTypeIssues]
            assert lq.isfinite().all(), name
            gaps.append(float(lq.mean() - gt.mean()))
            shapes.add((tuple(lq.shape), tuple(gt.shape)))
        assert abs(statistics.mean(gaps)) < 0.05, f"{name}: LQ - GT {statistics.mean(gaps):.3f}"
    assert len(shapes) == 1, shapes


def alternate(works: dict[str, Work], rounds: int, device: str) -> dict[str, dict[str, float]]:
    """Medians in seconds: until all is done, until the host is free, and on the device's clock."""
    cuda = device.startswith("cuda")
    kinds = ("wall_s", "host_s", *(("device_s",) if cuda else ()))
    seconds = {name: {kind: [] for kind in kinds} for name in works}
    for number in range(rounds + 2):
        for name, work in works.items():
            measured = timed(work, cuda)
            if number >= 2:
                for kind in kinds:
                    seconds[name][kind].append(measured[kind])
    return {
        name: {kind: statistics.median(values) for kind, values in found.items()}
        for name, found in seconds.items()
    }


def timed(work: Work, cuda: bool) -> dict[str, float]:
    """One call on an idle device."""
    if not cuda:
        begin = time.perf_counter()
        work()
        passed = time.perf_counter() - begin
        return {"wall_s": passed, "host_s": passed}
    first, last = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    torch.cuda.synchronize()
    begin = time.perf_counter()
    first.record()
    work()
    last.record()
    free = time.perf_counter()
    torch.cuda.synchronize()
    done = time.perf_counter()
    return {
        "wall_s": done - begin,
        "host_s": free - begin,
        "device_s": first.elapsed_time(last) / 1e3,
    }


def count_waits(work: Work, device: str) -> int | None:
    """How often one call makes the host wait for the device; None where that cannot be told."""
    if not device.startswith("cuda"):
        return None
    torch.cuda.set_sync_debug_mode("warn")
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            work()
    finally:
        torch.cuda.set_sync_debug_mode("default")
    return sum("synchroniz" in str(warning.message) for warning in caught)


def peak_memory(work: Work, device: str) -> float | None:
    """MiB that one call adds on the device."""
    if not device.startswith("cuda"):
        return None
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    work()
    torch.cuda.synchronize()
    return (torch.cuda.max_memory_allocated() - before) / 2**20


if __name__ == "__main__":
    main()
