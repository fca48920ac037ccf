"""Zeroing: what a network loses when one channel is taken away.

Kong et al. (CVPR 2022, arXiv 2112.12089) set each channel before the last convolution to zero:
without dropout single channels cost many decibels, with it hardly any.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from ..metrics.psnr import PSNR
from .features import BATCH, at_sites, by_channel, run, scaled
from .style import COLORS, finish

READING = (
    "Every channel before the last convolution is set to zero in turn; the curves show by how "
    "much the PSNR falls, the costliest channel first. A curve that starts high means that single "
    "channels decide the image: the features have grown dependent on each other, and a "
    "degradation that upsets one of them upsets the output. A flat, low curve means that no "
    "channel is indispensable. Values below zero are channels whose loss helps on these images."
)
COSTLY = 1.0
"""dB from which a channel counts as indispensable."""
CAP = 100.0
"""dB of an image without any error, whose PSNR is infinite."""


@dataclass(frozen=True)
class Zeroing:
    """A network.

    Attributes:
        site: where channels were zeroed.
        psnr: with all channels, mean over the crops, in dB.
        drops: PSNR with all channels less PSNR without that channel, of each channel.
        psnr_protocol: how the PSNR was taken.
    """

    site: str
    psnr: float
    drops: tuple[float, ...]
    psnr_protocol: Mapping[str, str | int | bool]

    @property
    def costly(self) -> int:
        """How many channels cost at least ``COSTLY`` dB."""
        return sum(drop >= COSTLY for drop in self.drops)


def measure_zeroing(net: nn.Module, lq: Tensor, gt: Tensor, site: str) -> Zeroing:
    """PSNR without each channel at ``site``.

    Args:
        net: any network.
        lq: (N, C, h, w) images.
        gt: (N, C, H, W) their ground truth.
        site: a name.

    Raises:
        AdasrError: an output that is not finite.
    """
    metric = PSNR(crop_border=gt.shape[-1] // lq.shape[-1], test_y_channel=gt.shape[1] == 3)
    channels = 0

    def count(feature: Tensor) -> None:
        nonlocal channels
        channels = by_channel(feature, 1).shape[1]

    with torch.no_grad():
        with at_sites(net, {site: count}):
            whole = [_capped(metric, run(net, x[None])[0], t) for x, t in zip(lq, gt, strict=True)]
        factors = torch.ones(0, 0)
        drops = np.zeros((len(lq), channels))

        def zero(feature: Tensor) -> Tensor:
            return scaled(feature, factors.to(feature.device))

        with at_sites(net, {site: zero}):
            for number, (image, target) in enumerate(zip(lq, gt, strict=True)):
                for start in range(0, channels, BATCH):
                    which = list(range(start, min(start + BATCH, channels)))
                    factors = torch.ones(len(which), channels)
                    factors[range(len(which)), which] = 0.0
                    sr = run(net, image.expand(len(which), -1, -1, -1))
                    for channel, output in zip(which, sr, strict=True):
                        drops[number, channel] = whole[number] - _capped(metric, output, target)
    told = tuple(map(float, drops.mean(0)))
    return Zeroing(site, float(np.mean(whole)), told, metric.protocol())


def _capped(metric: PSNR, sr: Tensor, gt: Tensor) -> float:
    return min(CAP, metric(sr, gt.to(sr.device)))


def draw_zeroing(found: Mapping[str, Zeroing]) -> Figure:
    """A curve per network; channels sorted by cost."""
    figure = Figure((6.4, 4.0), layout="constrained")
    axes = figure.subplots()
    highest = max(max(one.drops) for one in found.values())
    for index, (name, one) in enumerate(found.items()):
        drops = np.sort(one.drops)[::-1]
        label = f"{name}: {one.costly} of {len(drops)} cost {COSTLY:g} dB or more"
        color = COLORS[index % len(COLORS)]
        axes.plot(np.arange(1, len(drops) + 1), drops, "-o", ms=2.5, color=color, label=label)
    axes.axhline(0, color="#888888", lw=0.8)
    if highest > 3:
        axes.set_yscale("symlog", linthresh=0.1)
        axes.yaxis.set_major_formatter("{x:g}")
    finish(axes, "PSNR lost by zeroing one channel", "channels, costliest first", "dB")
    axes.legend(frameon=False, fontsize=8.5)
    return figure


def tell_zeroing(found: Mapping[str, Zeroing]) -> list[str]:
    """The numbers as a Markdown table."""
    lines = [
        f"| network | site | PSNR, all channels | costliest | mean cost | cost {COSTLY:g} dB "
        "or more |",
        "|---|---|---:|---:|---:|---:|",
    ]
    for name, one in found.items():
        worst = int(np.argmax(one.drops))
        lines.append(
            f"| {name} | {one.site} | {one.psnr:.2f} dB | {one.drops[worst]:.2f} dB (channel "
            f"{worst}) | {np.mean(one.drops):.3f} dB | {one.costly} of {len(one.drops)} |"
        )
    protocol = next(iter(found.values())).psnr_protocol
    lines += ["", f"PSNR on {protocol['colour']}, border {protocol['crop_border']} pixels."]
    return lines
