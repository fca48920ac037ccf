"""What all steps are: a probability, random numbers of one sample, operators added to it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Generator

from ...errors import OptionError
from ...registry import STEP_REGISTRY
from ..checks import check_probability
from ..families import union
from ..jpeg import JpegMethod
from ..operators import Operator, Size
from ..sampling import choice


@dataclass
class Sample:
    """A sample while its operators are drawn.

    Args:
        size: (height, width) of the frame that the next operator acts on; of the GT at first.
        scale: factor between LQ and GT.
        generator: the sample's own, on the CPU: its numbers are the same for any batch and device.
        jpeg_method: as in ``jpeg``.

    Attributes:
        gt_size: (height, width) of the GT frame.
        operators: what was drawn so far.
    """

    size: Size
    scale: int
    generator: Generator
    jpeg_method: JpegMethod = "auto"
    gt_size: Size = field(init=False)
    operators: list[Operator] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        self.gt_size = self.size

    @property
    def lq_size(self) -> Size:
        """(height, width) that the LQ frame must have."""
        return self.gt_size[0] // self.scale, self.gt_size[1] // self.scale

    def add(self, operator: Operator, size: Size | None = None) -> None:
        """Append an operator; ``size`` is its result's where that is another."""
        self.operators.append(operator)
        self.size = self.size if size is None else size

    def uniform(self, low: float, high: float) -> float:
        """A number in [low, high)."""
        unit = torch.rand((), generator=self.generator, dtype=torch.float64)
        return low + (high - low) * float(unit)

    def chance(self, p: float) -> bool:
        """True with probability ``p``."""
        return self.uniform(0.0, 1.0) < p

    def pick(self, weights: Sequence[float]) -> int:
        """An index with a probability proportional to its weight."""
        return int(choice(1, weights, self.generator))

    def odd(self, low: int, high: int) -> int:
        """One of the odd numbers ``low, low + 2, ..., high``, all equally likely."""
        return low + 2 * self.pick([1.0] * ((high - low) // 2 + 1))

    def normal(self, n: int) -> torch.Tensor:
        """(n,) standard normal numbers, float64."""
        return torch.randn(n, generator=self.generator, dtype=torch.float64)

    def angle(self) -> float:
        """A direction in [0, pi)."""
        return self.uniform(0.0, math.pi)


class Step:
    """Something that is done to a sample with a probability; subclasses implement ``draw``."""

    def __init__(self, prob: float = 1.0) -> None:
        self.prob = check_probability("prob", prob)

    def __call__(self, sample: Sample) -> None:
        """Draw whether it is done, and how."""
        if sample.chance(self.prob):
            self.draw(sample)

    def draw(self, sample: Sample) -> None:
        """Draw the parameters and add operators; the image stays in [0, 1]."""
        raise NotImplementedError

    @property
    def families(self) -> tuple[str, ...] | None:
        """What it may do to an image, out of ``families.FAMILIES``; None where it does not say."""
        return None


def families_of(steps: Sequence[Step]) -> tuple[str, ...] | None:
    """The families of all steps that are ever done; None where one of them does not say."""
    found = [step.families for step in steps if step.prob > 0]
    known = [families for families in found if families is not None]
    return union(*known) if len(known) == len(found) else None


def build_steps(steps: Sequence[Any]) -> list[Step]:
    """Steps out of ``{type: NAME, **options}`` each, or as they are.

    Raises:
        OptionError: none at all, or one that is wrong; its key starts with ("steps", index).
    """
    if not steps:
        raise OptionError("names no step.", ("steps",), "E.g. [{type: JPEG}].")
    built = []
    for i, step in enumerate(steps):
        try:
            built.append(step if isinstance(step, Step) else STEP_REGISTRY.build(step))
        except OptionError as error:
            raise error.under("steps", i) from None
    return built
