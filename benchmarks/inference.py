"""Enlarging an image: adasr.Upscaler against realesrgan's RealESRGANer, with the same weights."""

from __future__ import annotations

import argparse
import contextlib
import io
import logging
import math
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import common
import cv2
import memory
import numpy as np
import torch
from skimage import data
from torch import nn

import adasr
from adasr.compat import import_basicsr
from adasr.memory import keep_freed_memory

SCALE = 4
GOALS = {"auto": 2.7, "compile": 3.0, "fp32": 1.2, "memory": 0.65, "folder": 3.0, "psnr": 50.0}
NETWORKS = {
    "rrdbnet": {"type": "RRDBNet", "num_feat": 64, "num_block": 23, "upscale": SCALE},
    "srresnet": {"type": "SRResNet", "num_feat": 64, "num_block": 16, "upscale": SCALE},
}


def main() -> None:
    parser = common.parser(__doc__)
    parser.add_argument("--network", choices=[*NETWORKS], default="rrdbnet")
    parser.add_argument("--size", type=int, default=512, help="side of the image")
    parser.add_argument("--tile", type=int, default=256, help="of both sides")
    parser.add_argument("--compile", action="store_true", help="time a compiled network too")
    parser.add_argument("--memory", action="store_true", help="peaks, each in a process of its own")
    parser.add_argument("--folder", type=int, default=0, help="time a folder of N small images")
    parser.set_defaults(rounds=3)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    with tempfile.TemporaryDirectory() as folder:
        weights = make_weights(args.network, Path(folder))
        if args.folder:
            small_images(args, weights, Path(folder))
        else:
            one_image(args, weights)


def one_image(args: argparse.Namespace, weights: Path) -> None:
    image = np.ascontiguousarray(data.astronaut()[: args.size, : args.size])
    ours = {"fp32": upscaler(weights, args, "fp32"), "auto": upscaler(weights, args)}
    if args.compile:
        ours["compile"] = upscaler(weights, args, compile=True)
    checks = compare(args.network, weights, args, ours)
    theirs = peer(args.network, weights, args)
    works = {"RealESRGANer": as_peer(lambda: theirs(image))}
    works |= {f"adasr {name}": as_ours(lambda up=up: up(image)) for name, up in ours.items()}
    medians = common.alternate(works, args.rounds, args.device, warm_up=1)
    ratios = {name: medians["RealESRGANer"] / medians[f"adasr {name}"] for name in ours}
    best = "compile" if args.compile else "auto"
    if ours["auto"].precision == "fp32":
        best = "fp32"  # nothing faster on this device
    if args.memory:
        checks["memory"] = peaks(args, weights, image)
    common.report(
        medians,
        ratios[best],
        GOALS[best],
        args,
        network=args.network,
        precision=ours["auto"].precision,
        ratios=ratios,
        goals=GOALS,
        **checks,
    )


def compare(
    name: str, weights: Path, args: argparse.Namespace, ours: dict[str, adasr.Upscaler]
) -> dict[str, Any]:
    """Each of ``ours`` on a part in four tiles, against BasicSR's network on the whole of it."""
    side = min(args.size, args.tile)
    image = np.ascontiguousarray(data.astronaut()[:side, :side])
    net = basicsr_network(name)
    net.load_state_dict(torch.load(weights.with_suffix(".pth"))["params"])
    values = torch.from_numpy(image).permute(2, 0, 1)[None].to(args.device) / 255
    with torch.inference_mode():
        expected = net.to(args.device).eval()(values)[0].clamp(0, 1).permute(1, 2, 0).cpu().numpy()
    found: dict[str, Any] = {"output_std": float(expected.std()), "overlap": None}
    for kind, up in ours.items():
        tiled = adasr.Upscaler(up.backend, tile=side // 2)
        result = tiled(image.astype(np.float32) / 255)
        difference = np.abs(result - expected)
        found[f"{kind}_largest_difference"] = float(difference.max())
        found[f"{kind}_psnr_db"] = -10 * math.log10(float((difference**2).mean()) or 1e-20)
        found["overlap"] = tiled.overlap
    if found["fp32_largest_difference"] > 1 / 255 or found["auto_psnr_db"] < GOALS["psnr"]:
        raise SystemExit(f"the results differ: {found}")
    return found


def peaks(args: argparse.Namespace, weights: Path, image: np.ndarray) -> dict[str, float]:
    """Peak memory in MiB that each side takes beyond its imports, and the goal's ratio."""
    given = (args.network, weights, args, image)
    found = {side: memory.apart(run_once, side, *given) for side in ("peer", "auto", "fp32")}
    peak = {f"{side}_mib": float(values["peak_mib"]) for side, values in found.items()}
    whole = {f"{side}_resident_mib": float(v["resident_mib"]) for side, v in found.items()}
    share = {f"{side}_ratio": peak[f"{side}_mib"] / peak["peer_mib"] for side in ("auto", "fp32")}
    return {**peak, **whole, **share}


def run_once(
    side: str, name: str, weights: Path, args: argparse.Namespace, image: np.ndarray
) -> tuple[float, list[object]]:
    torch.set_num_threads(args.threads)
    work = peer(name, weights, args) if side == "peer" else upscaler(weights, args, side)
    begin = time.perf_counter()
    result = work(image)
    return time.perf_counter() - begin, [result]


def small_images(args: argparse.Namespace, weights: Path, folder: Path) -> None:
    """A folder of small images: read, enlarged and written."""
    from adasr.inference import upscale_folder

    source = folder / "small"
    source.mkdir()
    random = np.random.default_rng(0)
    astronaut = data.astronaut()
    for number in range(args.folder):
        top, left = random.integers(0, 512 - 64, 2)
        part = astronaut[top : top + 64, left : left + 64, ::-1]
        cv2.imwrite(str(source / f"{number:04d}.png"), part)
    theirs, up = peer(args.network, weights, args), upscaler(weights, args)
    (folder / "peer").mkdir()

    def loop() -> None:
        for path in sorted(source.iterdir()):
            larger = theirs(cv2.imread(str(path)))
            cv2.imwrite(str(folder / "peer" / path.name), larger)

    works = {
        "loop of RealESRGANer": as_peer(loop),
        "adasr folder": as_ours(lambda: upscale_folder(up, source, folder / "ours")),
    }
    medians = common.alternate(works, args.rounds, args.device, warm_up=1)
    errors = [
        np.square(
            cv2.imread(str(path)).astype(float) - cv2.imread(str(folder / "ours" / path.name))
        ).mean()
        for path in sorted((folder / "peer").iterdir())
    ]
    psnr = 10 * math.log10(255**2 / (float(np.mean(errors)) or 1e-9))
    ratio = medians["loop of RealESRGANer"] / medians["adasr folder"]
    more = {"network": args.network, "images": args.folder, "psnr_db": psnr}
    common.report(medians, ratio, GOALS["folder"], args, **more)


def as_ours(work: Callable[[], object]) -> Callable[[], object]:
    """``work`` with the memory that an ``Upscaler`` on a CPU has the process keep."""
    return lambda: (keep_freed_memory(), work())


def as_peer(work: Callable[[], object]) -> Callable[[], object]:
    """``work`` with glibc as it is by itself."""
    return lambda: (common.release_freed_memory(), work())


def upscaler(
    weights: Path, args: argparse.Namespace, precision: Any = "auto", compile: bool = False
) -> adasr.Upscaler:
    tile = "auto" if args.folder else args.tile
    return adasr.Upscaler(weights, args.device, precision, tile, compile=compile)


def peer(name: str, weights: Path, args: argparse.Namespace) -> Callable[[np.ndarray], np.ndarray]:
    """``RealESRGANer.enhance`` on BasicSR's network, its prints swallowed."""
    import_basicsr()
    from realesrgan.utils import RealESRGANer

    enlarger = RealESRGANer(
        scale=SCALE,
        model_path=str(weights.with_suffix(".pth")),
        model=basicsr_network(name),
        tile=args.tile,
        device=torch.device(args.device),
    )

    def run(image: np.ndarray) -> np.ndarray:
        with contextlib.redirect_stdout(io.StringIO()):
            return enlarger.enhance(image)[0]

    return run


def basicsr_network(name: str) -> nn.Module:
    import_basicsr()
    logging.getLogger("basicsr").setLevel(logging.ERROR)
    from basicsr.archs.rrdbnet_arch import RRDBNet
    from basicsr.archs.srresnet_arch import MSRResNet

    if name == "rrdbnet":
        return RRDBNet(3, 3, SCALE, num_feat=64, num_block=23)
    return MSRResNet(3, 3, num_feat=64, num_block=16, upscale=SCALE)


def make_weights(name: str, folder: Path) -> Path:
    """The same random weights for both sides, strong enough that the image shows them.

    Fresh networks add next to nothing to a constant or to the enlarged input; the last convolution
    is scaled until the result has the contrast of a picture, so that a wrong digit is seen.
    """
    torch.manual_seed(0)
    net = adasr.build_network(NETWORKS[name])
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight).data.mul_(0.5 if name == "rrdbnet" else 0.3)
    probe = torch.from_numpy(data.astronaut()[:96, :96]).permute(2, 0, 1)[None] / 255
    last = net.get_submodule("conv_last")
    with torch.inference_mode():
        base = nn.functional.interpolate(probe, scale_factor=SCALE, mode="bilinear")
        made = net(probe) - (base if name == "srresnet" else 0)
        goal = 0.2 if name == "rrdbnet" else 0.05
        last.weight.data.mul_(goal / made.std())
        middle = 0.5 if name == "rrdbnet" else 0.0
        last.bias.data.fill_(float(middle - made.mean() * goal / made.std()))
    path = folder / f"{name}.safetensors"
    adasr.save_network(path, net)
    torch.save({"params": net.state_dict()}, path.with_suffix(".pth"))
    return path


if __name__ == "__main__":
    main()
