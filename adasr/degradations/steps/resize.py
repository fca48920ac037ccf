"""Resizing by a random factor and to the LQ size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

from ...errors import OptionError, did_you_mean
from ...registry import STEP_REGISTRY
from .. import operators
from ..checks import check_range
from ..families import RESIZES
from ..kernels import Pair
from ..operators import Size
from ..recording import note
from .axes import AntialiasedAxis, NearestAxis
from .pointwise import Clamp
from .step import Sample, Step

MODES = ("area", "bilinear", "bicubic", "bicubic_antialias", "nearest")
_DEFAULT = ("area", "bilinear", "bicubic")
_OWN = {"nearest": NearestAxis, "bicubic_antialias": AntialiasedAxis}

RelativeTo = Literal["image", "gt", "lq"]
Divided = Literal["factor", "divisor"]


@STEP_REGISTRY.register()
class Resize(Step):
    """Enlarge or shrink by a random factor, to at most twice the GT size.

    Args:
        resize_range: smallest and largest factor.
        relative_to: the size that the factor refers to.
        uniform_in: whether the factor or the divisor (its inverse) is drawn uniformly.
        modes: interpolations to draw from: area, bilinear, bicubic, bicubic_antialias, nearest.
        prob: probability of the step.
    """

    def __init__(
        self,
        resize_range: Pair = (0.5, 1.0),
        relative_to: RelativeTo = "image",
        uniform_in: Divided = "factor",
        modes: tuple[str, ...] = _DEFAULT,
        prob: float = 1.0,
    ) -> None:
        super().__init__(prob)
        self.resize_range = check_range("resize_range", resize_range, 0.01, 8)
        for key, value, words in (
            ("relative_to", relative_to, get_args(RelativeTo)),
            ("uniform_in", uniform_in, get_args(Divided)),
        ):
            if value not in words:
                raise OptionError(f"expected one of {', '.join(words)}, got {value!r}.", (key,))
        self.relative_to: RelativeTo = relative_to
        self.uniform_in: Divided = uniform_in
        self.modes = check_modes("modes", modes)

    def draw(self, sample: Sample) -> None:
        """Resize by a drawn factor."""
        low, high = self.resize_range
        if self.uniform_in == "divisor":
            factor = 1 / sample.uniform(1 / high, 1 / low)
        else:
            factor = sample.uniform(low, high)
        base = {"image": sample.size, "gt": sample.gt_size, "lq": sample.lq_size}[self.relative_to]
        # Steps that enlarge again and again must not fill the memory.
        height, width = (
            min(2 * most, max(1, int(side * factor)))
            for side, most in zip(base, sample.gt_size, strict=True)
        )
        add_resize(sample, (height, width), self.modes, "Resize")

    @property
    def families(self) -> tuple[str, ...]:
        """Those of its interpolations."""
        return resize_families(self.modes)


@STEP_REGISTRY.register()
class ResizeToLQ(Step):
    """Resize to the size of the LQ.

    Args:
        modes: interpolations to draw from: area, bilinear, bicubic, bicubic_antialias, nearest.
        prob: probability of the step; a pipeline resizes at its end where it was left out.
    """

    def __init__(self, modes: tuple[str, ...] = _DEFAULT, prob: float = 1.0) -> None:
        super().__init__(prob)
        self.modes = check_modes("modes", modes)

    def draw(self, sample: Sample) -> None:
        """Resize with a drawn interpolation."""
        add_resize(sample, sample.lq_size, self.modes, "ResizeToLQ")

    @property
    def families(self) -> tuple[str, ...]:
        """Those of its interpolations."""
        return resize_families(self.modes)


def add_resize(sample: Sample, size: Size, modes: Sequence[str], name: str) -> None:
    """Resize to (height, width) with one of the modes, pixel centres aligned.

    Nothing is added for an image of that size. ``name`` is the step's, for the notes.
    """
    mode = modes[sample.pick([1.0] * len(modes))]
    if sample.size == size:
        return
    note(name, to=f"{size[0]}x{size[1]}", mode=mode)
    sample.add(resizing(sample.size, size, mode), size)
    if mode.startswith("bicubic"):
        sample.add(Clamp())


def resizing(size: Size, target: Size, mode: str) -> operators.Resize:
    """The operator from one (height, width) to another, ``mode`` out of ``MODES``."""
    if mode not in _OWN:
        return operators.resized_to(size, target, mode)
    axis = _OWN[mode]
    return operators.Resize(axis(size[0], target[0], mode), axis(size[1], target[1], mode))


def resize_families(modes: Sequence[str]) -> tuple[str, ...]:
    """The families of interpolations."""
    return tuple(RESIZES[mode] for mode in modes)


def check_modes(key: str, modes: tuple[str, ...]) -> tuple[str, ...]:
    """At least one name out of ``MODES``."""
    if not modes:
        raise OptionError("names no interpolation.", (key,), f"Known: {', '.join(MODES)}.")
    for i, mode in enumerate(modes):
        if mode not in MODES:
            raise OptionError(
                f"unknown interpolation '{mode}'.", (key, i), did_you_mean(mode, MODES)
            )
    return tuple(modes)
