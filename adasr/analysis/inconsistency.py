r"""Train-test inconsistency: how dropout shifts the variance of features, site by site.

Xu et al. (CVPR 2025, arXiv 2506.12738) after Li et al. (CVPR 2019, "Understanding the Disharmony
between Dropout and Batch Normalization by Variance Shift"): in training a feature of mean
:math:`\mu` and variance :math:`\sigma^2` has another variance than in testing,

.. math:: s = \frac{Var_{train}}{Var_{test}} - 1 = \frac{p}{1-p} (\frac{\mu^2}{\sigma^2} + 1)

and the blend with a share w of the feature before dropout multiplies it by :math:`(1-w)^2`.
Behind a nonlinearity the mean shifts too, and shifts pile up from site to site; that is measured.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from ..errors import OptionError
from ..regularizers.adaptive_dropout import AdaptiveDropout
from ..regularizers.base import Regularizer
from ..regularizers.channel_dropout import ChannelDropout
from ..regularizers.element_dropout import ElementDropout
from ..regularizers.sites import Site, attach, detach
from .features import at_sites, batches, by_channel, exact, example_input, run
from .style import COLORS, finish, legend_below, panels

READING = (
    "Each line shows by how much the variance of a feature is larger in training than in testing, "
    "site by site from the input to the output: 1 means twice the variance. The next layers learn "
    "with the one and are used with the other, so lower is better, and a line that rises with "
    "depth shows a shift that piles up. Crosses are what one site by itself would do by the "
    "formula p/(1-p) (1-w)^2 (mean^2/variance + 1); the distance between line and cross is what "
    "the sites before it add. Where the blend (w > 0) lies far below dropout alone (w = 0), it "
    "does what it was made for."
)


@dataclass(frozen=True)
class SiteShift:
    """One site under one condition.

    Attributes:
        site: its name.
        weight: share of the feature before dropout.
        shift: variance in training over variance in testing, less 1; NaN for a constant feature.
        error: standard error of ``shift`` over the draws.
        analytic: what the site alone would do; None where no formula is known.
        mean_shift: difference of the channels' means over the features' standard deviation.
    """

    site: str
    weight: float
    shift: float
    error: float
    analytic: float | None
    mean_shift: float


@dataclass(frozen=True)
class Shifts:
    """All sites under one condition.

    Attributes:
        condition: e.g. ``w = 0.3``.
        sites: from input to output.
        output_bias: root mean square of the mean output in training less the output in testing, in
            units of 1/255; the draws' own scatter is taken off.
        output_spread: standard deviation of the output over the draws, in units of 1/255.
    """

    condition: str
    sites: tuple[SiteShift, ...]
    output_bias: float
    output_spread: float

    @property
    def mean(self) -> float:
        """Variance shift averaged over the sites that have one."""
        finite = [site.shift for site in self.sites if np.isfinite(site.shift)]
        return float(np.mean(finite)) if finite else np.nan


@dataclass(frozen=True)
class Inconsistency:
    """A network under several conditions.

    Attributes:
        regularizer: its name and options.
        conditions: dropout alone first.
        draws: of the masks.
    """

    regularizer: str
    conditions: tuple[Shifts, ...]
    draws: int


def measure_inconsistency(
    net: nn.Module,
    lq: Tensor,
    regularizer: Regularizer,
    sites: str | Sequence[str] | None,
    weights: Mapping[str, float | Sequence[float] | None],
    draws: int = 16,
    seed: int = 0,
) -> Inconsistency:
    """Compare features under a regularizer at work with those in testing, on the same images.

    Only the regularizer is in training mode: the network's own dropout and its normalizations stay
    as in testing, so that what is measured is the regularizer's. Leaves no trace on the network or
    the random state.

    Args:
        net: a network without an attached regularizer.
        lq: (N, C, h, w) images.
        regularizer: the prototype, as for ``attach``.
        sites: as for ``attach``.
        weights: condition to the weight of all sites or of each; None leaves the regularizer's own,
            which is all that those without a weight take.
        draws: how many masks each image meets, at least 2.
        seed: of the masks.

    Raises:
        OptionError: fewer than 2 draws, or as ``attach``.
        AdasrError: an output that is not finite.
    """
    if draws < 2:
        raise OptionError(f"must be at least 2, got {draws}.", ("draws",))
    placed = attach(net, regularizer, sites, example_input(net))
    try:
        if not placed:
            raise OptionError("the regularizer acts at no site.", ("sites",))
        names = [site.name for site in placed]
        tested, outputs = _observed(net, lq, names, placed, 1, None)
        conditions = []
        for condition, wanted in weights.items():
            _set_weights(placed, wanted)
            trained, drawn = _observed(net, lq, names, placed, draws, seed)
            shifts = [_site_shift(site, trained[site.name], tested[site.name]) for site in placed]
            conditions.append(Shifts(condition, tuple(shifts), *_output_shift(drawn, outputs)))
    finally:
        detach(net)
    return Inconsistency(_told(regularizer), tuple(conditions), draws)


def variance_factor(regularizer: Regularizer) -> float | None:
    """``(1-w)^2 p/(1-p)``, the variance of the factor on a channel; None for unknown kinds."""
    if isinstance(regularizer, AdaptiveDropout) and regularizer.gate_type is not None:
        return None
    if isinstance(regularizer, AdaptiveDropout | ChannelDropout | ElementDropout):
        p = cast(float, regularizer.p)
        return (1.0 - regularizer.weight) ** 2 * p / (1.0 - p)
    return None


def draw_inconsistency(found: Mapping[str, Inconsistency]) -> Figure:
    """A panel per network, a line per condition."""
    figure, grid = panels(len(found), sharey=True)
    values = [
        site.shift for one in found.values() for shifts in one.conditions for site in shifts.sites
    ]
    positive = [value for value in values if value > 0]
    logarithmic = bool(positive) and max(positive) > 30 * min(positive)
    for axes, (name, one) in zip(grid, found.items(), strict=False):
        count = 0
        for index, shifts in enumerate(one.conditions):
            count = len(shifts.sites)
            depth = np.arange(1, count + 1)
            color = COLORS[index % len(COLORS)]
            measured = np.array([site.shift for site in shifts.sites])
            errors = np.array([site.error for site in shifts.sites])
            axes.plot(depth, measured, "-o", ms=3.5, lw=1.6, color=color, label=shifts.condition)
            axes.fill_between(depth, measured - errors, measured + errors, color=color, alpha=0.2)
            formula = [np.nan if s.analytic is None else s.analytic for s in shifts.sites]
            axes.plot(depth, formula, "x", ms=6, mew=1.4, color=color, alpha=0.9)
        if logarithmic:
            axes.set_yscale("symlog", linthresh=max(min(positive), 1e-3))
        axes.set_xticks(range(1, count + 1, max(1, count // 8)))
        finish(axes, f"{name}\n{one.regularizer}", "site, input to output")
    grid[0].set_ylabel("variance shift: train / test - 1", fontsize=8)
    grid[0].plot([], [], "x", color="#444444", mew=1.4, label="one site alone, by the formula")
    legend_below(figure)
    return figure


def tell_inconsistency(found: Mapping[str, Inconsistency]) -> list[str]:
    """The numbers as a Markdown table and in words."""
    lines = [
        "| network | condition | first site | last site | mean over sites | largest | "
        "output bias | output spread |",
        "|---|---|---:|---:|---:|---:|---:|---:|",
    ]
    for name, one in found.items():
        for shifts in one.conditions:
            values = [site.shift for site in shifts.sites]
            largest = max(filter(np.isfinite, values), default=np.nan)
            cells = [values[0], values[-1], shifts.mean, largest]
            told = " | ".join(f"{value:.3g}" for value in cells)
            ends = f"{shifts.output_bias:.2f} | {shifts.output_spread:.2f}"
            lines.append(f"| {name} | {shifts.condition} | {told} | {ends} |")
    lines += ["", "Output bias and spread are in units of 1/255.", ""]
    for name, one in found.items():
        alone = one.conditions[0].mean
        for shifts in one.conditions[1:]:
            mean = shifts.mean
            if alone > 0 and mean > 0:
                times = alone / mean
                lines.append(
                    f"* {name}, {shifts.condition}: the variance shift, averaged over the sites, "
                    f"is {mean:.3g} instead of {alone:.3g} with dropout alone: {times:.1f} times "
                    "smaller."
                )
            elif alone > 0:
                lines.append(
                    f"* {name}, {shifts.condition}: no variance shift is left; dropout alone "
                    f"would have {alone:.3g}, averaged over the sites."
                )
    return lines


class _Moments:
    """Sums over positions and images, per draw and channel."""

    def __init__(self) -> None:
        self.count: list[int] = []
        self.sums: list[np.ndarray] = []
        self.squares: list[np.ndarray] = []

    def begin_draw(self) -> None:
        self.count.append(0)
        self.sums.append(np.zeros(()))
        self.squares.append(np.zeros(()))

    def add(self, feature: Tensor, images: int) -> None:
        values = exact(by_channel(feature, images))
        self.count[-1] += values.shape[0] * values.shape[2]
        self.sums[-1] = self.sums[-1] + values.sum((0, 2)).cpu().numpy()
        self.squares[-1] = self.squares[-1] + values.square().sum((0, 2)).cpu().numpy()

    def mean_and_variance(self, without: int | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Of each channel over all draws, or all but one."""
        kept = [i for i in range(len(self.count)) if i != without]
        count = sum(self.count[i] for i in kept)
        mean = np.sum([self.sums[i] for i in kept], axis=0) / count
        return mean, np.sum([self.squares[i] for i in kept], axis=0) / count - mean**2


def _observed(
    net: nn.Module,
    lq: Tensor,
    names: Sequence[str],
    placed: Sequence[Site],
    draws: int,
    seed: int | None,
) -> tuple[dict[str, _Moments], list[Tensor]]:
    """Moments at the sites and the outputs of each draw; without a seed nothing is dropped."""
    moments = {name: _Moments() for name in names}
    outputs: list[Tensor] = []
    device = next(net.parameters(), lq).device
    devices = [device] if device.type == "cuda" else []
    images = 0

    def observer(name: str) -> object:
        return lambda feature: moments[name].add(feature, images)

    with (
        torch.random.fork_rng(devices),
        torch.no_grad(),
        at_sites(net, {name: observer(name) for name in names}),  # type: ignore[misc]
    ):
        for site in placed:
            site.regularizer.train(seed is not None)
        if seed is not None:
            torch.manual_seed(seed)
        for _ in range(draws):
            for one in moments.values():
                one.begin_draw()
            parts = []
            for part in batches(len(lq)):
                images = part.stop - part.start
                parts.append(run(net, lq[part]).float().cpu())
            outputs.append(torch.cat(parts))
    return moments, outputs


def _set_weights(placed: Sequence[Site], wanted: float | Sequence[float] | None) -> None:
    if wanted is None:
        return
    values = [wanted] * len(placed) if isinstance(wanted, int | float) else wanted
    for site, value in zip(placed, values, strict=True):
        site.weight = value


def _site_shift(site: Site, trained: _Moments, tested: _Moments) -> SiteShift:
    mean, variance = tested.mean_and_variance()
    total = float(variance.sum())
    # A feature that is constant but for rounding has no variance to compare with.
    if not total > 1e-12 * float((mean**2).sum()) or total <= 0:
        return SiteShift(site.name, site.weight, np.nan, np.nan, None, np.nan)
    draws = len(trained.count)
    whole = float(trained.mean_and_variance()[1].sum()) / total - 1
    left_out = np.array(
        [float(trained.mean_and_variance(i)[1].sum()) / total - 1 for i in range(draws)]
    )
    # The jackknife: the mean's own scatter makes a variance look smaller than it is.
    shift = draws * whole - (draws - 1) * float(left_out.mean())
    error = float(np.sqrt((draws - 1) / draws * ((left_out - left_out.mean()) ** 2).sum()))
    factor = variance_factor(site.regularizer)
    second = float((mean**2 + variance).sum())
    moved = float(np.sqrt(((trained.mean_and_variance()[0] - mean) ** 2).sum() / total))
    analytic = None if factor is None else factor * second / total
    return SiteShift(site.name, site.weight, shift, error, analytic, moved)


def _output_shift(drawn: Sequence[Tensor], tested: Sequence[Tensor]) -> tuple[float, float]:
    """Bias and spread of the output in units of 1/255."""
    stacked = torch.stack(list(drawn)).double()
    scatter = float(stacked.var(0).mean())
    squared = float((stacked.mean(0) - tested[0].double()).square().mean())
    bias = max(0.0, squared - scatter / len(drawn))
    return 255 * bias**0.5, 255 * scatter**0.5


def _told(regularizer: Regularizer) -> str:
    told = regularizer.extra_repr()
    return f"{type(regularizer).__name__}({told})" if told else type(regularizer).__name__
