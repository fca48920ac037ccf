"""A degradation composed of steps, in YAML or by a preset."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Generator

from ..registry import DEGRADATION_REGISTRY
from .families import union
from .frame_degradation import FrameDegradation
from .jpeg import JpegMethod
from .operators import Operator, Size
from .steps import structure
from .steps.direct import DirectDownscale
from .steps.resize import Resize, ResizeToLQ, add_resize, check_modes, resize_families
from .steps.step import Sample, Step, build_steps, families_of


class StepsDegradation(FrameDegradation):
    """Draws the operators of its steps for every sample, then those that resize to the LQ size.

    It has no batched form: every sample has random numbers of its own, drawn on the CPU
    from a seed, and its own order of operators.
    """

    def __init__(
        self,
        scale: int,
        steps: Sequence[Step],
        gt_usm: bool,
        jpeg_method: JpegMethod,
        frame: int,
        resize_modes: tuple[str, ...] = ("area", "bilinear", "bicubic"),
    ) -> None:
        super().__init__(scale, gt_usm, jpeg_method, frame)
        self.steps = steps
        self.resize_modes = check_modes("resize_modes", resize_modes)

    @property
    def families(self) -> tuple[str, ...] | None:
        """What its steps may do to an image, see ``families``; None where one does not say."""
        found = families_of(self.steps)
        if found is None or _sure_at_lq(self.steps, self.scale, self.scale == 1):
            return found
        return union(found, resize_families(self.resize_modes))

    def _tell(self, operators: Sequence[Operator]) -> None:
        """Nothing: the steps have told more while they drew."""

    def _draw(self, n: int, size: Size, generator: Generator) -> list[Sequence[Operator]]:
        seeds = torch.randint(2**62, (n,), generator=generator, device=generator.device)
        return [self._draw_one(size, Generator().manual_seed(s)) for s in seeds.tolist()]

    def _draw_one(self, size: Size, generator: Generator) -> list[Operator]:
        sample = Sample(size, self.scale, generator, self.jpeg_method)
        for step in self.steps:
            step(sample)
        add_resize(sample, sample.lq_size, self.resize_modes, "ResizeToLQ")
        return sample.operators


def _sure_at_lq(steps: Sequence[Any], scale: int, at_lq: bool) -> bool:
    """Whether steps are sure to leave an image of the LQ size; no rather than a wrong yes.

    ``at_lq`` says whether they are given one.
    """
    for step in steps:
        certain = step.prob == 1
        if isinstance(step, ResizeToLQ):
            at_lq |= certain
        elif isinstance(step, Resize):
            at_lq = False
        elif isinstance(step, DirectDownscale):
            # A second one would act on what the first has left.
            at_lq = certain and not at_lq and step.factor in (None, scale)
        elif isinstance(step, structure.OneOf):
            drawn = [s for s, weight in zip(step.steps, step.weights, strict=True) if weight > 0]
            ends = [_sure_at_lq([one], scale, at_lq) for one in drawn]
            at_lq = all(ends) and (certain or at_lq)
        elif isinstance(step, structure.Sequence | structure.Shuffle):
            inside = _sure_at_lq(step.steps, scale, at_lq)
            if isinstance(step, structure.Shuffle):
                free = [s for i, s in enumerate(step.steps) if i not in step.kept]
                # Nobody knows what comes after one of these.
                inside &= all(_sure_at_lq([one], scale, True) for one in free)
            at_lq = inside and (certain or at_lq)
    return at_lq


@DEGRADATION_REGISTRY.register()
class Pipeline(StepsDegradation):
    """A degradation of your own, composed of steps (``adasr list steps``).

    Args:
        steps: what is done in turn, e.g. [{type: Blur}, {type: ResizeToLQ}, {type: JPEG}].
        resize_modes: interpolations that resize to the LQ size at the end, where no step did.
        gt_usm: sharpen the GT first; both the LQ and the target are made of the sharpened GT.
        jpeg_method: "codec" (libjpeg), "simulated" (the same on the device), "auto" (codec on a
            CPU) or "released" (the simulation that Real-ESRGAN was trained with).
        frame: side in GT pixels of the image that is degraded, and a crop then cut out of.

    Raises:
        OptionError: an unknown step or a value out of range.
    """

    def __init__(
        self,
        scale: int,
        steps: list[dict[str, Any]],
        resize_modes: tuple[str, ...] = ("area", "bilinear", "bicubic"),
        gt_usm: bool = False,
        jpeg_method: JpegMethod = "auto",
        frame: int = 400,
    ) -> None:
        super().__init__(scale, build_steps(steps), gt_usm, jpeg_method, frame, resize_modes)
