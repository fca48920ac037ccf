"""Steps made of steps: all in turn, one of several, all in random order."""

from __future__ import annotations

from typing import Any

import torch

from ...errors import OptionError
from ...registry import STEP_REGISTRY
from ..checks import check_weights
from .step import Sample, Step, build_steps, families_of


@STEP_REGISTRY.register()
class Sequence(Step):
    """All steps in turn; done or left out together.

    Args:
        steps: the steps.
        prob: probability of doing them.
    """

    def __init__(self, steps: list[dict[str, Any]], prob: float = 1.0) -> None:
        super().__init__(prob)
        self.steps = build_steps(steps)

    def draw(self, sample: Sample) -> None:
        """Each step after the one before."""
        for step in self.steps:
            step(sample)

    @property
    def families(self) -> tuple[str, ...] | None:
        """Those of its steps."""
        return families_of(self.steps)


@STEP_REGISTRY.register()
class OneOf(Step):
    """One of the steps, drawn for each sample.

    Args:
        steps: the steps.
        weights: weight of each step; equal by default.
        prob: probability of doing one of them.
    """

    def __init__(
        self,
        steps: list[dict[str, Any]],
        weights: tuple[float, ...] | None = None,
        prob: float = 1.0,
    ) -> None:
        super().__init__(prob)
        self.steps = build_steps(steps)
        count = len(self.steps)
        given = (1.0,) * count if weights is None else weights
        self.weights = check_weights("weights", given, count, "step")

    def draw(self, sample: Sample) -> None:
        """The drawn step."""
        self.steps[sample.pick(self.weights)](sample)

    @property
    def families(self) -> tuple[str, ...] | None:
        """Those of the steps that can be drawn."""
        pairs = zip(self.steps, self.weights, strict=True)
        return families_of([step for step, weight in pairs if weight > 0])


@STEP_REGISTRY.register()
class Shuffle(Step):
    """All steps, in an order drawn for each sample.

    Args:
        steps: the steps.
        keep_order: positions in ``steps``, from 0, of those that keep their order among each other.
        prob: probability of doing them.
    """

    def __init__(
        self, steps: list[dict[str, Any]], keep_order: tuple[int, ...] = (), prob: float = 1.0
    ) -> None:
        super().__init__(prob)
        self.steps = build_steps(steps)
        for i, position in enumerate(keep_order):
            if not 0 <= position < len(self.steps):
                raise OptionError(
                    f"there is no step {position}.",
                    ("keep_order", i),
                    f"Steps count from 0 to {len(self.steps) - 1}.",
                )
        self.kept = sorted(set(keep_order))

    def draw(self, sample: Sample) -> None:
        """Each step after the one before, in a random order."""
        order = torch.randperm(len(self.steps), generator=sample.generator).tolist()
        places = sorted(order.index(step) for step in self.kept)
        for place, step in zip(places, self.kept, strict=True):
            order[place] = step
        for i in order:
            self.steps[i](sample)

    @property
    def families(self) -> tuple[str, ...] | None:
        """Those of its steps."""
        return families_of(self.steps)
