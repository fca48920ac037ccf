"""PSNR and SSIM of images of the sizes of Set14, against BasicSR's ``calculate_psnr`` and ``_ssim``.

Both are given the same 8-bit images, and give the same scores to 1e-6 before anything is timed. The
ratio is BasicSR's time for SSIM over ours. ``--luma`` takes the Y channel; ``--from-network``
starts where a validation does, at a network's float output, which BasicSR turns into 8 bits first.
``--memory`` adds the peak of memory for an image of 7680x4320, each side in a process of its own.
``--lpips FILE`` times LPIPS too, with those weights of AlexNet.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from common import alternate, parser, report
from memory import apart
from torch import Tensor

from adasr.compat import import_basicsr
from adasr.data.images import IMAGE_SUFFIXES, read_rgb, to_tensor
from adasr.registry import METRIC_REGISTRY

GOAL = 5.0
TOLERANCE = 1e-6
EIGHT_K = (4320, 7680)
# Height and width of the images of Set14.
SIZES = [
    *((480, 500), (576, 720), (512, 512), (288, 352), (362, 250), (276, 276), (361, 500)),
    *((288, 352), (512, 512), (512, 512), (512, 768), (512, 512), (656, 528), (391, 586)),
]


def main() -> None:
    args = _arguments()
    torch.set_num_threads(args.threads)
    cv2.setNumThreads(args.threads)
    pairs = pictures(args.data)
    works: dict[str, Callable[[], list[float]]] = {}
    for name in ("psnr", "ssim"):
        works[f"adasr {name}"] = ours(name, pairs, args)
        works[f"BasicSR {name}"] = basicsrs(name, pairs, args)
    off = differences(works)
    if args.lpips:
        works["adasr lpips"] = ours("lpips", pairs, args)
    medians = alternate(works, args.rounds, args.device)
    ratios = {n: medians[f"BasicSR {n}"] / medians[f"adasr {n}"] for n in ("psnr", "ssim")}
    both = [sum(medians[f"{who} {n}"] for n in ("psnr", "ssim")) for who in ("BasicSR", "adasr")]
    more: dict[str, Any] = {"ratios": ratios | {"both": both[0] / both[1]}, "differences": off}
    for name, ratio in more["ratios"].items():
        print(f"{name:32s} {ratio:9.1f} times as fast")
    if args.memory:
        more["memory"] = memory(args)
    report(medians, ratios["ssim"], GOAL, args, images=len(pairs), luma=args.luma, **more)


def _arguments() -> argparse.Namespace:
    made = parser(__doc__)
    made.add_argument("--data", help="folder of images; default: noise of the sizes of Set14")
    made.add_argument("--luma", action="store_true", help="score the Y channel")
    made.add_argument("--from-network", action="store_true", help="float SR images")
    made.add_argument("--memory", action="store_true", help="peaks for an image of 8K")
    made.add_argument("--lpips", help="AlexNet's ImageNet weights")
    return made.parse_args()


def pictures(folder: str | None) -> list[tuple[np.ndarray, np.ndarray]]:
    """SR and GT (H, W, 3) RGB uint8: a blurred image and itself."""
    if folder is None:
        random = np.random.default_rng(0)
        sharp = [random.integers(0, 256, (*size, 3), np.uint8) for size in SIZES]
        sharp = [cv2.GaussianBlur(image, (0, 0), 1.0) for image in sharp]
    else:
        files = [p for p in sorted(Path(folder).rglob("*")) if p.suffix.lower() in IMAGE_SUFFIXES]
        sharp = [read_rgb(file) for file in files]
    return [(cv2.GaussianBlur(image, (0, 0), 1.2), image) for image in sharp]


def ours(
    name: str, pairs: list[tuple[np.ndarray, np.ndarray]], args: argparse.Namespace
) -> Callable[[], list[float]]:
    """Scores every pair; tensors are on the device before."""
    luma = {} if name == "lpips" else {"test_y_channel": args.luma}
    options = {"weights": args.lpips} if name == "lpips" else luma
    metric = METRIC_REGISTRY.build({"type": name, **options})
    tensors = [
        [tensor(image, args.from_network or name == "lpips").to(args.device) for image in pair]
        for pair in pairs
    ]
    return lambda: [metric(*pair) for pair in tensors]


def basicsrs(
    name: str, pairs: list[tuple[np.ndarray, np.ndarray]], args: argparse.Namespace
) -> Callable[[], list[float]]:
    """The same by BasicSR."""
    import_basicsr()
    from basicsr import metrics
    from basicsr.utils import tensor2img

    score = getattr(metrics, f"calculate_{name}")
    arrays = [[np.ascontiguousarray(image[..., ::-1]) for image in pair] for pair in pairs]
    if not args.from_network:
        return lambda: [score(*pair, 0, test_y_channel=args.luma) for pair in arrays]
    tensors = [[tensor(image, True).to(args.device) for image in pair] for pair in pairs]
    return lambda: [
        score(*(tensor2img([image]) for image in pair), 0, test_y_channel=args.luma)
        for pair in tensors
    ]


def tensor(image: np.ndarray, as_float: bool) -> Tensor:
    """(3, H, W), float in [0, 1] or uint8."""
    if as_float:
        return to_tensor(image)
    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))


def differences(works: dict[str, Callable[[], list[float]]]) -> dict[str, float]:
    """The largest difference of each score; refuses to time what is not the same."""
    found = {}
    for name in ("psnr", "ssim"):
        scores = zip(works[f"adasr {name}"](), works[f"BasicSR {name}"](), strict=True)
        found[name] = max(abs(a - b) for a, b in scores)
        assert found[name] < TOLERANCE, f"{name} differs by {found[name]}"
    return found


def memory(args: argparse.Namespace) -> dict[str, float]:
    """MiB at the peak, beyond the two images."""
    peaks = {
        who: apart(work, args.threads, args.luma)["peak_mib"]
        for who, work in (("adasr", our_eight_k), ("BasicSR", their_eight_k))
    }
    held = 2 * 3 * EIGHT_K[0] * EIGHT_K[1] / 2**20
    peaks = {who: peak - held for who, peak in peaks.items()}
    for who, peak in peaks.items():
        print(f"{who + ', 8K':32s} {peak:9.0f} MiB beyond the images")
    return peaks


def our_eight_k(threads: int, luma: bool) -> tuple[float, list[float]]:
    """Seconds and scores of an image of 8K."""
    torch.set_num_threads(threads)
    metrics = [METRIC_REGISTRY.build({"type": n, "test_y_channel": luma}) for n in ("psnr", "ssim")]
    sr, gt = (torch.full((3, *EIGHT_K), value, dtype=torch.uint8) for value in (100, 110))
    begin = time.perf_counter()
    scores = [metric(sr, gt) for metric in metrics]
    return time.perf_counter() - begin, scores


def their_eight_k(threads: int, luma: bool) -> tuple[float, list[float]]:
    """The same by BasicSR."""
    cv2.setNumThreads(threads)
    import_basicsr()
    from basicsr.metrics import calculate_psnr, calculate_ssim

    sr, gt = (np.full((*EIGHT_K, 3), value, np.uint8) for value in (100, 110))
    begin = time.perf_counter()
    scores = [score(sr, gt, 0, test_y_channel=luma) for score in (calculate_psnr, calculate_ssim)]
    return time.perf_counter() - begin, scores


if __name__ == "__main__":
    main()
