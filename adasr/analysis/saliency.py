r"""Channel saliency maps: which channels the edges and textures of the output come from.

Kong et al. (CVPR 2022, arXiv 2112.12089): :math:`|\partial D(SR) / \partial F_c|`, where D adds up
the gradient magnitude of the output, which stands for its edges and textures (Gu & Dong, CVPR 2021,
arXiv 2011.11036), and :math:`F_c` is a channel of a feature. A network that overfits leans on few
channels; dropout evens them out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from ..errors import AdasrError, OptionError
from .features import at_sites, batches, by_channel, exact, run
from .style import COLORS, MARKERS, finish

READING = (
    "The maps show where each of the most salient channels before the last convolution acts on "
    "edges and textures (bright: much). Left below: the share of every channel, the largest "
    "first. A steep curve means that few channels carry the image and the others could be taken "
    "away; a flat one that the work is spread evenly (dashed: all alike). Right below: the same "
    "as one number per site, the Gini coefficient of the shares, 0 for even channels and near 1 "
    "for a single one. Lower after regularization means better balanced channels. The share of a "
    "gradient depends on the scale of a channel, which a network is free to choose; the table "
    "therefore gives the Gini coefficient of gradient times feature too, which does not. A gap in "
    "a line is a site whose channels are all dead: the output depends on none of them."
)
_MAPS = 6


@dataclass(frozen=True)
class SiteSaliency:
    """One site.

    Attributes:
        site: its name.
        share: of each channel in all the saliency; they add up to 1, or are 0 where there is none.
        gini: coefficient of ``share``, 0 for even channels; NaN without saliency.
        effective: how many equal channels would be as uneven: exp of the entropy of ``share``.
        contribution_gini: of the shares of gradient times feature.
        dead: how many channels change the output nowhere, for instance behind a ReLU that is
            always shut.
    """

    site: str
    share: tuple[float, ...]
    gini: float
    effective: float
    contribution_gini: float
    dead: int


@dataclass(frozen=True)
class Saliency:
    """A network.

    Attributes:
        sites: from input to output.
        channels: of the last site whose maps are shown, the most salient first.
        maps: (len(channels), h, w) of the first crop, in [0, 1].
        picture: the network's output there, (3 or 1, H, W).
    """

    sites: tuple[SiteSaliency, ...]
    channels: tuple[int, ...]
    maps: np.ndarray = field(repr=False, compare=False)
    picture: np.ndarray = field(repr=False, compare=False)


def measure_saliency(net: nn.Module, lq: Tensor, sites: Sequence[str]) -> Saliency:
    """Saliency of all channels at ``sites``, averaged over images.

    Args:
        net: any network; it runs in evaluation mode and keeps no gradients.
        lq: (N, C, h, w) images.
        sites: names, from input to output.

    Raises:
        OptionError: no sites.
        AdasrError: an output that is not finite, or no gradient at a site.
    """
    if not sites:
        raise OptionError("there is no site to look at.", ("sites",))
    grads: dict[str, Tensor] = {}
    features: dict[str, Tensor] = {}
    shares: dict[str, list[np.ndarray]] = {site: [] for site in sites}
    products: dict[str, list[np.ndarray]] = {site: [] for site in sites}
    counts: dict[str, int] = {}
    maps = picture = np.zeros(())
    wanted = [parameter.requires_grad for parameter in net.parameters()]
    for parameter in net.parameters():
        parameter.requires_grad_(False)
    try:
        with torch.enable_grad(), at_sites(net, {s: _keeper(s, features, grads) for s in sites}):
            for part in batches(len(lq)):
                grads.clear()
                images = part.stop - part.start
                sr = run(net, lq[part].clone().requires_grad_())
                edges(sr.float()).sum().backward()
                for site in sites:
                    if site not in grads:
                        raise AdasrError(f"the output does not depend on '{site}'")
                    grad = exact(by_channel(grads[site], images)).abs()
                    counts[site] = grad.shape[1]
                    kept = exact(by_channel(features[site], images)).abs()
                    shares[site] += list(_normalized(grad.sum(2)))
                    products[site] += list(_normalized((grad * kept).sum(2)))
                if part.start == 0:
                    maps = grads[sites[-1]][:1].abs().float().cpu().numpy()
                    picture = sr[0].detach().float().clamp(0, 1).cpu().numpy()
    finally:
        for parameter, was in zip(net.parameters(), wanted, strict=True):
            parameter.requires_grad_(was)
    found = tuple(_site(s, counts[s], shares[s], products[s]) for s in sites)
    channels = np.argsort(found[-1].share, kind="stable")[::-1][:_MAPS]
    return Saliency(found, tuple(map(int, channels)), _shown(maps, channels), picture)


def edges(image: Tensor) -> Tensor:
    """Gradient magnitude of (N, C, H, W), added up over all but N."""
    down = image[..., 1:, :-1] - image[..., :-1, :-1]
    right = image[..., :-1, 1:] - image[..., :-1, :-1]
    # The root has no gradient at 0, where an image is flat.
    return (down.square() + right.square() + 1e-12).sqrt().sum((1, 2, 3))


def gini(share: np.ndarray) -> float:
    """Gini coefficient of values that are not negative: 0 for equal ones, 1 - 1/n for a single."""
    ordered = np.sort(np.asarray(share, dtype=np.float64))
    total, count = ordered.sum(), len(ordered)
    if total <= 0:
        return float("nan")
    ranks = np.arange(1, count + 1)
    return float((2 * ranks - count - 1) @ ordered / (count * total))


def draw_saliency(found: Mapping[str, Saliency]) -> Figure:
    """A row of maps per network; below, shares at the last site and imbalance per site."""
    rows, tall = len(found), 1.35
    figure = Figure((9.6, rows * tall + 3.7), layout="constrained")
    above, below = np.asarray(figure.subfigures(2, 1, height_ratios=[rows * tall, 3.5]))
    grid = np.asarray(above.subplots(rows, _MAPS + 1, squeeze=False))
    for line, (name, one) in zip(grid, found.items(), strict=True):
        for axes in line:
            axes.set_xticks([])
            axes.set_yticks([])
            axes.spines[:].set_visible(False)
        picture = one.picture.transpose(1, 2, 0)
        line[0].imshow(picture.squeeze(), cmap="gray", vmin=0, vmax=1)
        line[0].set_ylabel(name, fontsize=8)
        line[0].set_title("output", fontsize=7.5)
        share = one.sites[-1].share
        for axes, channel, saliency in zip(line[1:], one.channels, one.maps, strict=False):
            axes.imshow(saliency, cmap="magma", vmin=0, vmax=1)
            axes.set_title(f"channel {channel}: {100 * share[channel]:.1f}%", fontsize=7.5)
    left, right = below.subplots(1, 2)
    for index, (name, one) in enumerate(found.items()):
        color, marker = COLORS[index % len(COLORS)], MARKERS[index % len(MARKERS)]
        share = np.sort(one.sites[-1].share)[::-1]
        rank = np.arange(1, len(share) + 1)
        label = f"{name} (Gini {one.sites[-1].gini:.2f})"
        left.plot(rank, 100 * share, color=color, lw=1.6, label=label)
        left.axhline(100 / len(share), color="#888888", lw=0.8, ls="--")
        ginis = [site.gini for site in one.sites]
        depth = range(1, len(ginis) + 1)
        right.plot(depth, ginis, color=color, marker=marker, ms=4, lw=1.6, label=name)
    finish(left, "last site", "channels, most salient first", "share of the saliency (%)")
    finish(right, "imbalance of the channels", "site, input to output", "Gini coefficient")
    deepest = max(len(one.sites) for one in found.values())
    right.set_xlim(0.6, deepest + 0.4)  # also where the first sites are dead
    left.set_ylim(bottom=0)
    right.set_ylim(0, 1)
    left.legend(frameon=False, fontsize=8)
    return figure


def tell_saliency(found: Mapping[str, Saliency]) -> list[str]:
    """The numbers as a Markdown table."""
    lines = [
        "| network | channels at the last site | as uneven as | largest share | Gini, last site | "
        "Gini, mean over sites | Gini of gradient x feature, last site | "
        "dead channels, all sites |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for name, one in found.items():
        last = one.sites[-1]
        ginis = [site.gini for site in one.sites if site.dead < len(site.share)]
        mean = float(np.mean(ginis)) if ginis else np.nan
        dead, total = sum(s.dead for s in one.sites), sum(len(s.share) for s in one.sites)
        lines.append(
            f"| {name} | {len(last.share)} | {last.effective:.1f} equal ones | "
            f"{100 * max(last.share):.1f}% | {last.gini:.3f} | {mean:.3f} | "
            f"{last.contribution_gini:.3f} | {dead} of {total} |"
        )
    return lines


def _keeper(
    site: str, features: dict[str, Tensor], grads: dict[str, Tensor]
) -> Callable[[Tensor], Tensor]:
    def keep(feature: Tensor) -> Tensor:
        # A leaf may be changed in place by nobody, a copy by what follows; the hook sees before.
        copied = feature.clone()
        features[site] = feature.detach().clone()
        copied.register_hook(lambda grad: _add(grads, site, grad))
        return copied

    return keep


def _add(grads: dict[str, Tensor], site: str, grad: Tensor) -> None:
    grads[site] = grads[site] + grad if site in grads else grad.detach()


def _normalized(values: Tensor) -> np.ndarray:
    """(N, C) to shares, of images with any; every image counts the same."""
    total = values.sum(1, keepdim=True)
    return (values / total)[total[:, 0] > 0].cpu().numpy()


def _site(
    site: str, count: int, shares: Sequence[np.ndarray], products: Sequence[np.ndarray]
) -> SiteSaliency:
    if not shares:
        return SiteSaliency(site, (0.0,) * count, np.nan, 0.0, np.nan, count)
    share = np.mean(shares, 0)
    positive = share[share > 0]
    effective = float(np.exp(-(positive * np.log(positive)).sum()))
    balance = gini(np.mean(products, 0)) if products else np.nan
    dead = int((share == 0).sum())
    return SiteSaliency(site, tuple(map(float, share)), gini(share), effective, balance, dead)


def _shown(maps: np.ndarray, channels: np.ndarray) -> np.ndarray:
    """Maps of (1, C, h, w) in [0, 1], brightened alike; of tokens as near to a square as it goes.

    The square root shows small values; the brightest percent is cut, as single pixels would make
    the rest dark.
    """
    chosen = maps[0, channels] if maps.ndim == 4 else maps[0].T[channels]
    if chosen.ndim == 2:
        width = int(np.sqrt(chosen.shape[1]))
        chosen = chosen[:, : width * (chosen.shape[1] // width)].reshape(len(chosen), -1, width)
    top = np.percentile(chosen, 99) or 1.0
    return np.sqrt(np.clip(chosen / top, 0, 1))
