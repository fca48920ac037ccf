"""Activation similarity: how much of a feature survives when the input is degraded, site by site.

Cosine similarity, and linear centred kernel alignment (Kornblith et al., ICML 2019, arXiv
1905.00414), of the features of clean and degraded images at the same places.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from ..errors import OptionError
from .features import at_sites, batches, by_channel, exact, run
from .style import COLORS, MARKERS, finish, legend_below, panels

READING = (
    "At each site the feature of a degraded image is compared with that of the clean image at the "
    "same place: 1 means the same. Above, the cosine of the whole feature; below, linear CKA, "
    "which leaves out the channels' means and any rotation of the channels and is thus the "
    "stricter look at what the feature says. Lines that stay high up to the last site mean that "
    "the degradation is taken out on the way, which is what generalizing asks for; lines that "
    "fall with depth mean that the network carries the degradation along or amplifies it. Compare "
    "networks on the degradations that training did not contain."
)


@dataclass(frozen=True)
class Similarity:
    """A network.

    Attributes:
        sites: from input to output.
        cosine: recipe to the mean cosine similarity with clean images at each site.
        cka: recipe to linear CKA at each site; NaN where a feature is constant.
    """

    sites: tuple[str, ...]
    cosine: Mapping[str, tuple[float, ...]]
    cka: Mapping[str, tuple[float, ...]]


def measure_similarity(
    net: nn.Module, clean: Tensor, degraded: Mapping[str, Tensor], sites: Sequence[str]
) -> Similarity:
    """Similarity of features of ``clean`` and each of ``degraded`` at ``sites``.

    Args:
        net: any network.
        clean: (N, C, h, w) images.
        degraded: name to the same images, degraded.
        sites: names, from input to output.

    Raises:
        OptionError: nothing to compare with.
        AdasrError: an output that is not finite.
    """
    if not degraded:
        raise OptionError(
            "similarity compares with degraded images.", ("recipes",), "Name one beside 'clean'."
        )
    seen: dict[str, Tensor] = {}
    sums = {recipe: {site: LinearCKA() for site in sites} for recipe in degraded}
    cosines: dict[str, dict[str, list[float]]] = {r: {s: [] for s in sites} for r in degraded}

    def keeper(site: str) -> object:
        return lambda feature: seen.update({site: feature.detach().clone()})

    with torch.no_grad(), at_sites(net, {site: keeper(site) for site in sites}):  # type: ignore[misc]
        for part in batches(len(clean)):
            images = part.stop - part.start
            run(net, clean[part])
            reference = dict(seen)
            for recipe, lq in degraded.items():
                run(net, lq[part], f"the crops under {recipe}")
                for site in sites:
                    one = exact(by_channel(reference[site], images))
                    other = exact(by_channel(seen[site], images))
                    sums[recipe][site].add(one, other)
                    cosine = torch.cosine_similarity(one.flatten(1), other.flatten(1))
                    cosines[recipe][site] += cosine.tolist()
    return Similarity(
        tuple(sites),
        {r: tuple(float(np.mean(cosines[r][s])) for s in sites) for r in degraded},
        {r: tuple(sums[r][s].value() for s in sites) for r in degraded},
    )


class LinearCKA:
    r"""Linear CKA of two features, added up batch by batch; every position is an example.

    .. math:: \frac{\|Y^T X\|_F^2}{\|X^T X\|_F \|Y^T Y\|_F}, X and Y with channels of mean 0
    """

    def __init__(self) -> None:
        self.count = 0
        self._sums: dict[str, Tensor] = {}

    def add(self, x: Tensor, y: Tensor) -> None:
        """Add (N, C, positions) and (N, D, positions) in float64."""
        x, y = x.transpose(0, 1).flatten(1), y.transpose(0, 1).flatten(1)
        self.count += x.shape[1]
        parts = {"x": x.sum(1), "y": y.sum(1), "xx": x @ x.T, "yy": y @ y.T, "xy": x @ y.T}
        for key, value in parts.items():
            self._sums[key] = self._sums[key] + value if key in self._sums else value

    def value(self) -> float:
        """In [0, 1]; NaN where a feature is constant."""
        xx, yy, xy = (self._centred(a, b) for a, b in ("xx", "yy", "xy"))
        size = float(xx.norm() * yy.norm())
        return float(xy.square().sum()) / size if size > 0 else float("nan")

    def _centred(self, one: str, other: str) -> Tensor:
        product, a, b = self._sums[one + other], self._sums[one], self._sums[other]
        centred = product - torch.outer(a, b) / self.count
        # What rounding leaves of a constant feature is no variance.
        constant = centred.abs().max() <= 1e-12 * product.abs().max()
        return torch.zeros_like(centred) if bool(constant) else centred


def draw_similarity(found: Mapping[str, Similarity]) -> Figure:
    """A column per network, cosine above and CKA below, a line per recipe."""
    figure, grid = panels(len(found), rows=2, sharey=True, height=2.9)
    recipes = list(dict.fromkeys(recipe for one in found.values() for recipe in one.cka))
    for column, (name, one) in enumerate(found.items()):
        depth = range(1, len(one.sites) + 1)
        for row, values in enumerate((one.cosine, one.cka)):
            axes = grid[row * len(found) + column]
            for recipe, line in values.items():
                index = recipes.index(recipe)
                axes.plot(
                    depth,
                    line,
                    ("-", "--", ":", "-.")[index // len(COLORS) % 4],
                    color=COLORS[index % len(COLORS)],
                    marker=MARKERS[index % len(MARKERS)],
                    ms=3.5,
                    lw=1.4,
                    label=recipe,
                )
            axes.set_xticks(range(1, len(one.sites) + 1, max(1, len(one.sites) // 8)))
            title = f"{name}: cosine" if row == 0 else f"{name}: linear CKA"
            finish(axes, title, "site, input to output" if row else "")
    for row in range(2):
        grid[row * len(found)].set_ylabel("similarity with clean", fontsize=8)
        low = grid[row * len(found)].get_ylim()[0]
        grid[row * len(found)].set_ylim(max(-1.0, low), 1.005)
    legend_below(figure)
    return figure


def tell_similarity(found: Mapping[str, Similarity]) -> list[str]:
    """Linear CKA at the last site as a Markdown table."""
    recipes = list(dict.fromkeys(recipe for one in found.values() for recipe in one.cka))
    lines = [
        "Linear CKA with clean images at the last site:",
        "",
        f"| network | {' | '.join(recipes)} | mean |",
        f"|---|{'---:|' * (len(recipes) + 1)}",
    ]
    for name, one in found.items():
        values = [one.cka[recipe][-1] for recipe in recipes]
        told = " | ".join(f"{value:.3f}" for value in [*values, float(np.mean(values))])
        lines.append(f"| {name} | {told} |")
    lines.append("")
    for name, one in found.items():
        worst = min(recipes, key=lambda recipe, one=one: one.cka[recipe][-1])
        lines.append(
            f"* {name}: {worst} changes the last feature most; the mean over recipes goes from "
            f"{np.mean([v[0] for v in one.cka.values()]):.3f} at the first site to "
            f"{np.mean([v[-1] for v in one.cka.values()]):.3f} at the last."
        )
    return lines
