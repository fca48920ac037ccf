"""Deep degradation representations: does a deep feature tell degradations apart?

Liu et al. (2021, arXiv 2108.00406): reduced to 50 principal components and drawn with t-SNE, the
features of super-resolution networks form groups by degradation rather than by content. Kong et al.
(CVPR 2022) find the groups, measured by the Calinski-Harabasz index, less apart with dropout.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor, nn

from .features import at_sites, batches, by_channel, run
from .projection import calinski_harabasz, has_tsne, pca, tsne
from .style import COLORS, MARKERS, finish, legend_below

READING = (
    "Every point is the feature of one crop, coloured by its degradation; all degradations show "
    "the same crops. Each network has a row: the whole feature as Liu et al. take it, then the "
    "channels' means and standard deviations alone, which do not depend on what stands where in "
    "the image; each by PCA (the two directions of most variance) and by t-SNE, which keeps "
    "neighbours together and whose distances and sizes mean nothing. Colours in separate clouds: "
    "the network has found out which degradation it sees and treats each in its own way, so one "
    "it has never seen has no treatment. Clouds of all colours: images of one content look alike "
    "to it whatever was done to them. The cluster score (Calinski-Harabasz index of the "
    "degradations in 50 principal components) says it in a number: lower is more mixed; about 1 is "
    "what chance gives, and less means that content, which all degradations share here, decides. "
    "It grows with the number of crops, so compare networks of one analysis only."
)
MOST = 16_384
"""Numbers of a feature that are used at most."""
WHOLE, STATISTICS = "whole feature", "channel statistics"


@dataclass(frozen=True)
class View:
    """Features described in one way.

    Attributes:
        description: ``WHOLE`` or ``STATISTICS``.
        pca: (n, 2) first principal components.
        explained: their shares of the variance.
        tsne: (n, 2); None without scikit-learn.
        score: Calinski-Harabasz index of the recipes in the principal components; None for one.
        tsne_score: the same on the plane of t-SNE.
        content_score: of the crops instead of the recipes.
    """

    description: str
    pca: np.ndarray
    explained: tuple[float, float]
    tsne: np.ndarray | None
    score: float | None
    tsne_score: float | None
    content_score: float | None


@dataclass(frozen=True)
class Representations:
    """A network.

    Attributes:
        site: whose feature it is.
        labels: recipe of each point.
        views: the whole feature, and the channels' statistics.
    """

    site: str
    labels: tuple[str, ...]
    views: tuple[View, View]


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
    whole, statistics = [], []
    labels: list[str] = []
    contents: list[int] = []
    with torch.no_grad(), at_sites(net, {site: lambda f: seen.append(f.detach().clone())}):
        for recipe, images in lq.items():
            for part in batches(len(images)):
                seen.clear()
                run(net, images[part], f"the crops under {recipe}")
                feature = by_channel(seen[0], part.stop - part.start).float().cpu()
                flat = feature.flatten(1)
                whole.append(flat[:, _places(flat.shape[1], seed)].numpy())
                moments = [feature.mean(2), feature.std(2, correction=0)]
                statistics.append(torch.cat(moments, 1).numpy())
            labels += [recipe] * len(images)
            contents += list(range(len(images)))
    described = np.concatenate(statistics).astype(np.float64)
    spread = described.std(0)
    # Channels differ in scale by chance alone; a constant one says nothing.
    described = (described - described.mean(0)) / np.where(spread > 1e-12, spread, 1.0)
    views = (
        _view(WHOLE, np.concatenate(whole), labels, contents, seed),
        _view(STATISTICS, described, labels, contents, seed),
    )
    return Representations(site, tuple(labels), views)


def _view(
    description: str,
    values: np.ndarray,
    labels: Sequence[str],
    contents: Sequence[int],
    seed: int,
) -> View:
    components, shares = pca(values)
    plane = np.pad(components, ((0, 0), (0, max(0, 2 - components.shape[1]))))[:, :2]
    first, second = (*map(float, shares[:2]), 0.0)[:2]
    embedded = tsne(components, seed)
    return View(
        description,
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
    """A row per network: PCA and, where there is one, t-SNE of each view."""
    both = any(view.tsne is not None for one in found.values() for view in one.views)
    columns = 4 if both else 2
    side = 2.7 if both else 4.2
    figure = Figure((columns * side, len(found) * (side + 0.25) + 0.9), layout="constrained")
    grid = np.asarray(figure.subplots(len(found), columns, squeeze=False))
    recipes = list(dict.fromkeys(label for one in found.values() for label in one.labels))
    for line, (name, one) in zip(grid, found.items(), strict=True):
        panels = iter(line)
        for view in one.views:
            axes = next(panels)
            share = f"{100 * sum(view.explained):.0f}% of the variance"
            _scatter(axes, view.pca, one.labels, recipes)
            finish(axes, f"{view.description}, PCA\nscore {_scored(view.score)}, {share}")
            if both:
                axes = next(panels)
                title = f"{view.description}, t-SNE\nscore {_scored(view.tsne_score)}"
                if view.tsne is not None:
                    _scatter(axes, view.tsne, one.labels, recipes)
                finish(axes, title)
        line[0].set_ylabel(name, fontsize=9)
    for axes in grid.flatten():
        axes.set_xticks([])
        axes.set_yticks([])
        axes.title.set_fontsize(8)
        axes.spines[["top", "right"]].set_visible(True)
        axes.spines[:].set_color("#bbbbbb")
    legend_below(figure)
    return figure


def tell_representations(found: Mapping[str, Representations]) -> list[str]:
    """The cluster scores as a Markdown table."""
    lines = [
        "| network | site | of | score by degradation | the same on t-SNE's plane | "
        "score by content |",
        "|---|---|---|---:|---:|---:|",
    ]
    for name, one in found.items():
        for view in one.views:
            scores = [view.score, view.tsne_score, view.content_score]
            told = " | ".join(_scored(score) for score in scores)
            lines.append(f"| {name} | {one.site} | {view.description} | {told} |")
    if any(view.score is None for one in found.values() for view in one.views):
        lines += ["", "One degradation alone has no cluster score: name several with --recipes."]
    if not has_tsne():
        lines += ["", "t-SNE is left out: it needs scikit-learn (pip install scikit-learn)."]
    return lines


def _scatter(axes: Axes, plane: np.ndarray, labels: Sequence[str], recipes: Sequence[str]) -> None:
    named = np.array(labels)
    for recipe in dict.fromkeys(labels):
        index = recipes.index(recipe)
        points = plane[named == recipe]
        axes.scatter(
            points[:, 0],
            points[:, 1],
            s=14,
            alpha=0.75,
            lw=0,
            color=COLORS[index % len(COLORS)],
            marker=MARKERS[index % len(MARKERS)],
            label=recipe,
        )


def _scored(score: float | None) -> str:
    return "-" if score is None else f"{score:.2f}"
