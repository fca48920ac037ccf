"""Deep degradation representations: does a deep feature tell degradations apart?

Liu et al. (2021, arXiv 2108.00406): reduced to 50 principal components and drawn with t-SNE, the
features of super-resolution networks form groups by degradation rather than by content. Kong et al.
(CVPR 2022) find the groups, measured by the Calinski-Harabasz index, less apart with dropout.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor, nn

from .features import at_sites, batches, by_channel, run
from .projection import calinski_harabasz, has_tsne, pca, tsne
from .style import COLORS, MARKERS, finish, legend_below, panels

READING = (
    "Every point is the feature of one crop, coloured by its degradation; all degradations show "
    "the same crops. Above, the two directions of most variance (PCA); below, t-SNE, which keeps "
    "neighbours together and whose distances and sizes mean nothing. Colours in separate clouds: "
    "the network has found out which degradation it sees and treats each in its own way, so one "
    "it has never seen has no treatment. Colours mixed: images of one content look alike to it "
    "whatever was done to them. The cluster score (Calinski-Harabasz index of the degradations in "
    "50 principal components) says it in a number: lower is more mixed, about 1 is no structure. "
    "It grows with the number of crops, so compare networks of one analysis only."
)
MOST = 16_384
"""Numbers of a feature that are used at most."""


@dataclass(frozen=True)
class Representations:
    """A network.

    Attributes:
        site: whose feature it is.
        labels: recipe of each point.
        pca: (n, 2) first principal components.
        explained: their shares of the variance.
        tsne: (n, 2); None without scikit-learn.
        score: Calinski-Harabasz index of the recipes in the principal components; None for one.
        tsne_score: the same on the plane of t-SNE.
        content_score: of the crops instead of the recipes.
    """

    site: str
    labels: tuple[str, ...]
    pca: np.ndarray
    explained: tuple[float, float]
    tsne: np.ndarray | None
    score: float | None
    tsne_score: float | None
    content_score: float | None


def measure_representations(
    net: nn.Module, lq: Mapping[str, Tensor], site: str, seed: int = 0
) -> Representations:
    """Project the feature at ``site`` of all images under all recipes.

    Args:
        net: any network.
        lq: recipe to (N, C, h, w) images, the same ones under each.
        site: a name.
        seed: of t-SNE, and of which values of a large feature are used.

    Raises:
        AdasrError: an output that is not finite.
    """
    seen: list[Tensor] = []
    rows, labels, contents = [], [], []
    places: Tensor | None = None
    with torch.no_grad(), at_sites(net, {site: lambda f: seen.append(f.detach().clone())}):
        for recipe, images in lq.items():
            for part in batches(len(images)):
                seen.clear()
                run(net, images[part], f"the crops under {recipe}")
                flat = by_channel(seen[0], part.stop - part.start).flatten(1).float().cpu()
                if places is None:
                    places = _places(flat.shape[1], seed)
                rows.append(flat[:, places].numpy())
            labels += [recipe] * len(images)
            contents += list(range(len(images)))
    components, shares = pca(np.concatenate(rows))
    plane = np.pad(components, ((0, 0), (0, max(0, 2 - components.shape[1]))))[:, :2]
    first, second = (*map(float, shares[:2]), 0.0)[:2]
    embedded = tsne(components, seed)
    return Representations(
        site,
        tuple(labels),
        plane,
        (first, second),
        embedded,
        calinski_harabasz(components, labels),
        None if embedded is None else calinski_harabasz(embedded, labels),
        calinski_harabasz(components, contents),
    )


def _places(size: int, seed: int) -> Tensor:
    """Which values of a feature are used: all of a small one, else a random choice.

    Squared distances between features are then off by a few percent, where averaging neighbours
    would take out what noise does to a feature.
    """
    if size <= MOST:
        return torch.arange(size)
    return torch.randperm(size, generator=torch.Generator().manual_seed(seed))[:MOST]


def draw_representations(found: Mapping[str, Representations]) -> Figure:
    """A column per network, PCA above and t-SNE, where there is one, below."""
    planes = [one.tsne for one in found.values()]
    both = any(plane is not None for plane in planes)
    if both:
        figure, grid = panels(len(found), rows=2, height=3.6)
    else:
        figure, grid = panels(len(found), height=3.6)
    recipes = list(dict.fromkeys(label for one in found.values() for label in one.labels))
    for column, (name, one) in enumerate(found.items()):
        _scatter(grid[column], one.pca, one, recipes)
        first, second = (100 * share for share in one.explained)
        finish(grid[column], f"{name}: PCA\n{_scored(one.score)}", f"{first:.0f}% of the variance",
               f"{second:.0f}%")  # fmt: skip
        if both and one.tsne is not None:
            axes = grid[len(found) + column]
            _scatter(axes, one.tsne, one, recipes)
            finish(axes, f"{name}: t-SNE\n{_scored(one.tsne_score)}")
    for axes in grid:
        axes.set_xticks([])
        axes.set_yticks([])
    legend_below(figure)
    return figure


def tell_representations(found: Mapping[str, Representations]) -> list[str]:
    """The cluster scores as a Markdown table."""
    lines = [
        "| network | site | score by degradation | the same on t-SNE's plane | score by content | "
        "variance in two components |",
        "|---|---|---:|---:|---:|---:|",
    ]
    for name, one in found.items():
        scores = [one.score, one.tsne_score, one.content_score]
        told = " | ".join("-" if score is None else f"{score:.2f}" for score in scores)
        lines.append(f"| {name} | {one.site} | {told} | {100 * sum(one.explained):.0f}% |")
    if any(one.score is None for one in found.values()):
        lines += ["", "A single degradation has no cluster score: name several with --recipes."]
    if not has_tsne():
        lines += ["", "t-SNE is left out: it needs scikit-learn (pip install scikit-learn)."]
    return lines


def _scatter(axes: Axes, plane: np.ndarray, one: Representations, recipes: list[str]) -> None:
    labels = np.array(one.labels)
    for recipe in dict.fromkeys(one.labels):
        index = recipes.index(recipe)
        points = plane[labels == recipe]
        axes.scatter(
            points[:, 0],
            points[:, 1],
            s=16,
            alpha=0.75,
            lw=0,
            color=COLORS[index % len(COLORS)],
            marker=MARKERS[index % len(MARKERS)],
            label=recipe,
        )


def _scored(score: float | None) -> str:
    return "cluster score: -" if score is None else f"cluster score {score:.1f}"
