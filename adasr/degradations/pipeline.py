"""One process of Real-ESRGAN: blur, resize, noise, JPEG; its options, its draws and its steps.

Parameters are drawn for each sample, where Real-ESRGAN draws most of them once for a batch: the
variety of a batch then needs no pool of earlier batches.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import OptionError
from .checks import check_probability, check_range, check_weights
from .correlate import Kernel, trimmed
from .families import GAUSSIAN_NOISE, JPEG, POISSON_NOISE, RESIZES, union
from .kernels import KernelMix, Pair
from .operators import (
    Filter,
    GaussianNoise,
    Operator,
    PoissonNoise,
    Size,
    resized_by,
    resized_to,
)
from .resize import MODES
from .sampling import chance, choice, uniform

Triple = tuple[float, float, float]


@dataclass(frozen=True)
class Step:
    """The parameters of one process for one sample.

    Args:
        kernel: blur kernel; None for no blur.
        factor: resize factor.
        mode: resize mode.
        poisson: Poisson rather than Gaussian noise.
        strength: sigma in units of 1/255, or the scale of the Poisson noise.
        gray: the same noise in all channels.
        quality: JPEG quality.
    """

    kernel: Kernel | None
    factor: float
    mode: str
    poisson: bool
    strength: float
    gray: bool
    quality: float


@dataclass(frozen=True)
class Process:
    """The ranges from which the steps of one process are drawn; names as in the option YAML.

    Raises:
        OptionError: a value out of range.
    """

    kernels: KernelMix
    blur_prob: float
    resize_prob: Triple
    resize_range: Pair
    gaussian_noise_prob: float
    noise_range: Pair
    poisson_scale_range: Pair
    gray_noise_prob: float
    jpeg_range: Pair
    suffix: str = ""

    def __post_init__(self) -> None:
        end = self.suffix
        check_probability("second_blur_prob", self.blur_prob)
        check_weights(f"resize_prob{end}", self.resize_prob, 3, "of up, down, keep")
        low, high = check_range(f"resize_range{end}", self.resize_range, 0.01)
        if not low <= 1.0 <= high:
            # Shrinking draws from below 1, enlarging from above it.
            raise OptionError(f"must contain 1, got [{low:g}, {high:g}].", (f"resize_range{end}",))
        check_probability(f"gaussian_noise_prob{end}", self.gaussian_noise_prob)
        check_range(f"noise_range{end}", self.noise_range, 0)
        check_range(f"poisson_scale_range{end}", self.poisson_scale_range, 0)
        check_probability(f"gray_noise_prob{end}", self.gray_noise_prob)
        check_range(f"jpeg_range{end}", self.jpeg_range, 1, 100)

    @property
    def families(self) -> tuple[str, ...]:
        """What it may do to an image, see ``families``."""
        noise = []
        if self.gaussian_noise_prob > 0 and self.noise_range[1] > 0:
            noise.append(GAUSSIAN_NOISE)
        if self.gaussian_noise_prob < 1 and self.poisson_scale_range[1] > 0:
            noise.append(POISSON_NOISE)
        blur = self.kernels.families if self.blur_prob > 0 else ()
        return union(blur, [RESIZES[mode] for mode in MODES], noise, [JPEG])

    def draw(self, n: int, generator: torch.Generator) -> list[Step]:
        """Parameters of ``n`` samples."""
        kernels = trimmed(self.kernels.draw(n, generator))
        blurred = chance(n, self.blur_prob, generator).tolist()
        direction = choice(n, self.resize_prob, generator)
        up = uniform(n, 1.0, self.resize_range[1], generator)
        down = uniform(n, self.resize_range[0], 1.0, generator)
        factors = torch.stack([up, down, torch.ones_like(up)])
        factor = factors.gather(0, direction[None])[0].tolist()
        mode = draw_modes(n, generator)
        poisson = ~chance(n, self.gaussian_noise_prob, generator)
        sigma = uniform(n, *self.noise_range, generator)
        scale = uniform(n, *self.poisson_scale_range, generator)
        strength = torch.where(poisson, scale, sigma).tolist()
        gray = chance(n, self.gray_noise_prob, generator).tolist()
        quality = uniform(n, *self.jpeg_range, generator).tolist()
        return [
            Step(kernels[i] if blurred[i] else None, *rest)
            for i, rest in enumerate(
                zip(factor, mode, poisson.tolist(), strength, gray, quality, strict=True)
            )
        ]


def draw_modes(n: int, generator: torch.Generator) -> list[str]:
    """``n`` resize modes, all equally likely."""
    return [MODES[i] for i in choice(n, [1.0] * len(MODES), generator).tolist()]


def blur_resize_noise(
    step: Step, size: Size, base: Size | None, generator: torch.Generator
) -> tuple[list[Operator], Size]:
    """The first three operations of a process.

    Args:
        step: its parameters.
        size: (height, width) of the frame it acts on.
        base: what the resize factor refers to: sizes for another (height, width) than the frame's,
            or the frame itself, which then is sampled at the distance the factor says (None).
        generator: where the noise comes from.

    Returns:
        The operators, and the (height, width) of the frame they give.
    """
    operators: list[Operator] = []
    if step.kernel is not None:
        operators.append(Filter(step.kernel, size))
    if base is None:
        resize = resized_by(size, step.factor, step.mode)
    else:
        height, width = (max(1, int(side * step.factor)) for side in base)
        resize = resized_to(size, (height, width), step.mode)
    noise = PoissonNoise if step.poisson else GaussianNoise
    return [*operators, resize, noise(step.strength, step.gray, generator)], resize.size


def check_size(gt: Tensor, margin: int, scale: int) -> None:
    """Refuse a batch that has no whole LQ pixel inside its margin.

    Raises:
        ValueError: not (N, 3, H, W), or sides that do not fit.
    """
    if gt.dim() != 4 or gt.shape[1] != 3:
        raise ValueError(f"expected a (N, 3, H, W) GT batch, got {tuple(gt.shape)}")
    h, w = gt.shape[-2:]
    if h % scale or w % scale or min(h, w) <= 2 * margin:
        raise ValueError(
            f"GT of {h}x{w} must be a multiple of scale {scale} and larger than twice the margin "
            f"of {margin}"
        )


def middle(frames: Tensor, gt_size: int | None, margin: int, scale: int) -> Tensor:
    """The middle of (N, 3, H, W) frames with room for crops of ``gt_size`` and their margin.

    Raises:
        ValueError: ``gt_size`` is no multiple of ``scale``, or the frames are too small.
    """
    if gt_size is None:
        return frames
    h, w = frames.shape[-2:]
    side = gt_size + 2 * margin
    if gt_size < scale or gt_size % scale or side > min(h, w):
        raise ValueError(
            f"gt_size {gt_size} must be a multiple of scale {scale} and leave a margin of {margin} "
            f"in the GT of {h}x{w}"
        )
    top, left = ((length - side) // 2 // scale * scale for length in (h, w))
    return frames[..., top : top + side, left : left + side]
