"""Whether adasr's RealESRGAN makes what the released pipeline makes: statistics of many LQ images.

Each image of a folder goes through both sides; BasicSR gets it alone, for it draws resizing and the
kind of noise once for a batch. A statistic's z is the mean of the paired differences over its
standard error. JPEG is the released simulation on both sides.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
from dataclasses import dataclass

import torch
from common import parser
from released import FRAME, KERNELS, PROCESS, Released, read_frames, seed
from torch import Tensor
from torch.nn import functional as F

from adasr.degradations.resize import bicubic_downscale
from adasr.registry import DEGRADATION_REGISTRY

GT_SIZE, SCALE, BATCH = 128, 4, 16
LQ_SIZE = GT_SIZE // SCALE
GRID = (8, 16, 24)  # where blocks of JPEG begin if its grid is locked to the crop
BANDS = (0.0, 0.125, 0.25, 0.375, 0.5)  # cycles per pixel
Z_LIMIT = 3.0
_YCC = ((0.299, 0.587, 0.114), (-0.1687, -0.3313, 0.5), (0.5, -0.4187, -0.0813))


@dataclass(frozen=True)
class Row:
    """One statistic: both sides' means and the difference in standard errors."""

    name: str
    ours: float
    released: float
    z: float


def main() -> None:
    args = _arguments()
    torch.set_num_threads(args.threads)
    ours, released = draw(args.data, args.draws, args.jpeg_method)
    rows = compare(statistics(*ours), statistics(*released))
    rows += compare(places(ours[0]), places(released[0]))
    width = max(len(row.name) for row in rows)
    print(f"{'':{width}s} {'adasr':>10s} {'released':>10s} {'z':>7s}")
    for row in rows:
        flag = "  <--" if abs(row.z) >= Z_LIMIT else ""
        print(f"{row.name:{width}s} {row.ours:10.5f} {row.released:10.5f} {row.z:+7.2f}{flag}")
    worst = max(abs(row.z) for row in rows)
    print(f"largest |z| {worst:.2f} (limit {Z_LIMIT}), {args.draws} draws")
    if args.json:
        table = [vars(row) for row in rows]
        result = {"ratio": Z_LIMIT / worst, "goal": 1.0, "worst_z": worst, "draws": args.draws}
        print(json.dumps({**result, "jpeg_method": args.jpeg_method, "rows": table}))


def _arguments() -> argparse.Namespace:
    made = parser(__doc__)
    made.add_argument("--data", default="datasets/BSDS400", help="folder of images")
    made.add_argument("--draws", type=int, default=512)
    made.add_argument("--jpeg-method", default="released", help="that of adasr's side")
    return made.parse_args()


def draw(data: str, draws: int, jpeg_method: str) -> tuple[tuple[Tensor, Tensor], ...]:
    """(LQ, GT) of ``draws`` samples from each side, the i-th of both from the same image."""
    peer = Released("cpu", separable=True, gt_size=GT_SIZE, queue_size=1)
    peer.model._dequeue_and_enqueue = lambda: None  # it only shuffles pairs
    options = {"type": "RealESRGAN", **KERNELS, **PROCESS, "jpeg_method": jpeg_method}
    degradation = DEGRADATION_REGISTRY.build(options, scale=SCALE)
    generator = torch.Generator().manual_seed(0)
    assert degradation.frame_size(GT_SIZE) == FRAME
    seed(0)
    ours, theirs = [], []
    for first in range(0, draws, BATCH):
        frames = read_frames(data, min(BATCH, draws - first), first=first)
        ours.append(degradation(frames, generator, GT_SIZE))
        theirs += [tuple(t.clone() for t in peer(frame[None])) for frame in frames]
    return tuple(
        (torch.cat([lq for lq, _ in side]), torch.cat([gt for _, gt in side]))
        for side in (ours, theirs)
    )


def statistics(lq: Tensor, gt: Tensor) -> dict[str, Tensor]:
    """What pairs look like: (N,) values under each name."""
    ycc = torch.einsum("dc,nchw->ndhw", lq.new_tensor(_YCC), lq)
    across, down = lq.diff(dim=-1).square(), lq.diff(dim=-2).square()
    bicubic = bicubic_downscale(gt, SCALE).clamp(0, 1)
    found = {
        "LQ mean": _mean(lq),
        "LQ std": lq.flatten(1).std(1),
        "|LQ - bicubic(GT)|": _mean((lq - bicubic).abs()),
        "gradient energy": _mean(across) + _mean(down),
        "luma noise": _noise(ycc[:, :1]),
        "chroma noise": _noise(ycc[:, 1:]),
    }
    spectrum = _spectrum(ycc[:, 0])
    for i, (low, high) in enumerate(itertools.pairwise(BANDS)):
        found[f"log spectrum {low:.3f}-{high:.3f}"] = spectrum[:, i]
    return found


def places(lq: Tensor) -> dict[str, Tensor]:
    """What would give away that an image was cropped before it was degraded.

    Gradients between neighbouring columns and rows, relative to the mean over all samples of those
    that are neither at a block's edge nor at the border.
    """
    columns = lq.diff(dim=-1).abs().mean((1, 2))
    rows = lq.diff(dim=-2).abs().mean((1, 3))
    steps = (columns + rows) / 2  # (N, 31); step i is between the pixels i and i + 1
    grid = [i - 1 for i in GRID]
    border = [0, LQ_SIZE - 2]
    others = [i for i in range(LQ_SIZE - 1) if i not in (*grid, *border)]
    usual = steps[:, others]
    ring = torch.ones(LQ_SIZE, LQ_SIZE, dtype=torch.bool)
    ring[1:-1, 1:-1] = False
    brightness = lq.mean(1)
    return {
        "gradients at 8/16/24": steps[:, grid].mean(1) / usual.mean(),
        "gradients at the border": steps[:, border].mean(1) / usual.mean(),
        "brightness of the border": brightness[:, ring].mean(1) / brightness[:, ~ring].mean(),
    }


def compare(ours: dict[str, Tensor], released: dict[str, Tensor]) -> list[Row]:
    """A row for each statistic."""
    rows = []
    for name, values in ours.items():
        difference = (values - released[name]).double()
        error = float(difference.std()) / math.sqrt(len(difference))
        mean = float(difference.mean())
        z = mean / error if error else 0.0
        rows.append(Row(name, float(values.mean()), float(released[name].mean()), z))
    return rows


def _mean(images: Tensor) -> Tensor:
    return images.flatten(1).mean(1)


def _noise(planes: Tensor) -> Tensor:
    """Standard deviation of white noise, from differences that edges and ramps cancel out of.

    The 3x3 mask of Immerkaer (CVIU 1996) is the difference of two Laplacians; its weights' squares
    sum to 36.
    """
    mask = planes.new_tensor([[1.0, -2.0, 1.0], [-2.0, 4.0, -2.0], [1.0, -2.0, 1.0]])
    response = F.conv2d(planes.flatten(0, 1).unsqueeze(1), mask.view(1, 1, 3, 3))
    sigma = response.abs().flatten(1).mean(1) * math.sqrt(math.pi / 2) / 6
    return sigma.view(planes.shape[:2]).mean(1)


def _spectrum(luma: Tensor) -> Tensor:
    """(N, 4) logarithms (base 10) of the energy in each band of radial frequency."""
    window = torch.hann_window(LQ_SIZE)
    windowed = (luma - luma.mean((1, 2), keepdim=True)) * window * window[:, None]
    energy = torch.fft.fft2(windowed).abs().square()
    frequency = torch.fft.fftfreq(LQ_SIZE)
    radius = (frequency.square() + frequency[:, None].square()).sqrt()
    bands = [
        energy[:, (radius > low) & (radius <= high)].mean(1)
        for low, high in itertools.pairwise(BANDS)
    ]
    return (torch.stack(bands, 1) + 1e-6).log10()


if __name__ == "__main__":
    main()
