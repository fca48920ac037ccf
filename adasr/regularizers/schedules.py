"""When a regularizer acts: weights of the sites as pure functions of the iteration."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

from ..errors import OptionError
from ..registry import SCHEDULE_REGISTRY
from .sites import Site

Order = Literal["front_to_back", "back_to_front", "all_at_once"]
Shape = Literal["step", "linear", "cosine"]

RELEASED_END = 0.68
"""Annealing ends at 17 * 20,000 of 500,000 iterations in the released setting."""


def annealed_weight(iteration: int, start: int, end: int, weight: float, shape: Shape) -> float:
    """A site's weight at ``iteration``: ``weight`` until ``start``, 1 from ``end`` on.

    Between them it stays (``"step"``), rises evenly (``"linear"``) or along half a cosine.
    """
    if iteration >= end:
        return 1.0
    if shape == "step" or iteration <= start:
        return weight
    progress = (iteration - start) / (end - start)
    if shape == "cosine":
        progress = (1.0 - math.cos(math.pi * progress)) / 2.0
    return weight + (1.0 - weight) * progress


@SCHEDULE_REGISTRY.register()
class LayerwiseAnnealing:
    """Raises the sites' weights to 1 one after the other (Xu et al., CVPR 2025).

    Site k = 1..K of those ordered from input to output keeps its weight w_0 and gets 1 from
    iteration k * interval on. The weights are a pure function of the iteration, so a resumed run
    has those of an uninterrupted one.

    Args:
        sites: what ``attach`` returned.
        interval: iterations between two sites (an int), or that as a fraction of ``total_iter``
            (a float in (0, 1]). By default annealing ends at 68 % of training, as released.
        order: "front_to_back", "back_to_front" or "all_at_once" (all at K * interval).
        shape: "step"; "linear" or "cosine" rise within the site's own interval.
        total_iter: iterations of the whole training; needed unless ``interval`` is an int.

    Raises:
        OptionError: a value out of range, or sites whose weight is no free number.
    """

    def __init__(
        self,
        sites: Sequence[Site],
        interval: int | float | None = None,
        order: Order = "front_to_back",
        shape: Shape = "step",
        total_iter: int | None = None,
    ) -> None:
        if order not in ("front_to_back", "back_to_front", "all_at_once"):
            raise OptionError(f"unknown order {order!r}.", ("order",))
        if shape not in ("step", "linear", "cosine"):
            raise OptionError(f"unknown shape {shape!r}.", ("shape",))
        for site in sites:
            if not _blends(site):
                kind = type(site.regularizer).__name__
                raise OptionError(
                    f"the {kind} at '{site.name}' has no weight to anneal.",
                    hint="Leave the schedule out, or use AdaptiveDropout without a gate.",
                )
        self.sites = tuple(sites)
        self.order: Order = order
        self.shape: Shape = shape
        self.interval = _iterations(interval, total_iter, len(self.sites))
        self.start_weights = tuple(site.weight for site in self.sites)

    @property
    def end(self) -> int:
        """The first iteration at which every site's weight is 1."""
        return self.interval * len(self.sites)

    def weights(self, iteration: int) -> list[float]:
        """Weight of every site at ``iteration`` (1-based), without setting it."""
        count = len(self.sites)
        found = []
        for index, weight in enumerate(self.start_weights):
            place = {
                "front_to_back": index,
                "back_to_front": count - 1 - index,
                "all_at_once": count - 1,
            }[self.order]
            start = 0 if self.order == "all_at_once" else place * self.interval
            end = (place + 1) * self.interval
            found.append(annealed_weight(iteration, start, end, weight, self.shape))
        return found

    def step(self, iteration: int) -> None:
        """Set the sites' weights for ``iteration`` (1-based); call it before that step."""
        for site, weight in zip(self.sites, self.weights(iteration), strict=True):
            site.weight = weight


def _blends(site: Site) -> bool:
    settable = type(site.regularizer).weight
    gated = getattr(site.regularizer, "gate_type", None) is not None
    return isinstance(settable, property) and settable.fset is not None and not gated


def _iterations(interval: int | float | None, total_iter: int | None, count: int) -> int:
    if isinstance(interval, float) and interval > 1 and interval.is_integer():
        interval = int(interval)  # 2e4 is a count too
    if isinstance(interval, int):
        if interval < 1:
            raise OptionError(f"must be at least 1 iteration, got {interval}.", ("interval",))
        return interval
    if interval is not None and not 0.0 < interval <= 1.0:
        raise OptionError(f"as a fraction it must lie in (0, 1], got {interval}.", ("interval",))
    if total_iter is None:
        raise OptionError("needs the number of iterations.", ("interval",), "Give an int.")
    fraction = RELEASED_END / max(1, count) if interval is None else interval
    return max(1, round(total_iter * fraction))
