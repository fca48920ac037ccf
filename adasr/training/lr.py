"""Learning-rate schedules as pure functions of the iteration, so that a resume cannot drift.

Iterations are 1-based. As in BasicSR the first iteration runs at the schedule's value for 0, and a
milestone m takes effect in iteration m + 1.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable
from itertools import accumulate

from ..errors import OptionError
from ..registry import LR_REGISTRY

LearningRate = Callable[[int, float], float]
"""(iteration, base learning rate) -> learning rate."""


@LR_REGISTRY.register()
class MultiStepLR:
    """Multiplies the learning rate by ``gamma`` after each milestone.

    Args:
        milestones: iterations; one that stands twice multiplies twice.
        gamma: the factor.
    """

    def __init__(self, milestones: list[int], gamma: float = 0.1) -> None:
        if gamma <= 0:
            raise OptionError(f"must be above 0, got {gamma}.", ("gamma",))
        self.milestones, self.gamma = Counter(milestones), gamma

    def __call__(self, iteration: int, base: float) -> float:
        """Learning rate of ``iteration``."""
        passed = sum(n for m, n in self.milestones.items() if m <= iteration - 1)
        return base * self.gamma**passed


@LR_REGISTRY.register()
class CosineAnnealingRestartLR:
    """Half a cosine from the base learning rate to ``eta_min``, once in every period.

    Args:
        periods: length of each period in iterations.
        restart_weights: factor on the base learning rate in each period; 1 for all by default.
        eta_min: learning rate at the end of a period.
    """

    def __init__(
        self,
        periods: list[int],
        restart_weights: list[float] | None = None,
        eta_min: float = 0.0,
    ) -> None:
        restart_weights = [1.0] * len(periods) if restart_weights is None else restart_weights
        if not periods or min(periods) < 1:
            raise OptionError(
                f"each period takes at least 1 iteration, got {periods}.", ("periods",)
            )
        if len(restart_weights) != len(periods):
            raise OptionError(
                f"{len(restart_weights)} weights for {len(periods)} periods.", ("restart_weights",)
            )
        self.periods, self.restart_weights, self.eta_min = periods, restart_weights, eta_min
        self.ends = list(accumulate(periods))

    def __call__(self, iteration: int, base: float) -> float:
        """Learning rate of ``iteration``; after the last period it stays at the minimum."""
        done = iteration - 1
        index = bisect_left(self.ends, done)
        if index == len(self.ends):
            return self.eta_min
        start = self.ends[index] - self.periods[index]
        height = base - self.eta_min
        phase = math.pi * (done - start) / self.periods[index]
        return self.eta_min + self.restart_weights[index] * 0.5 * height * (1.0 + math.cos(phase))


def learning_rate(
    iteration: int, base: float, schedule: LearningRate | None = None, warmup_iter: int = -1
) -> float:
    """Learning rate of ``iteration`` (1-based): the schedule's, rising from 0 while warming up."""
    if iteration < warmup_iter:
        return base * iteration / warmup_iter
    return base if schedule is None else schedule(iteration, base)
