"""Real-ESRGAN's processes on a whole batch, from GT frames to LQ frames."""

from __future__ import annotations

import torch
from torch import Tensor

from . import jpeg
from .canvas import full_sizes
from .draws import Ending, Steps
from .filters import filter2d, identity_kernel
from .noise import add_noise
from .resizing import resize

Size = tuple[int, int]
Range = tuple[float, float]


def first_order(
    frames: Tensor,
    steps: Steps,
    mode: Tensor,
    factors: Range,
    lq_size: Size,
    jpeg_method: str,
    generator: torch.Generator | None,
) -> Tensor:
    """One process and a resize to the LQ size.

    Args:
        frames: (N, 3, H, W) in [0, 1].
        steps: the parameters of the process.
        mode: (N,) modes of the last resize, indices into ``MODES``.
        factors: the smallest and the largest factor that ``steps`` may hold.
        lq_size: (height, width) of the LQ.
        jpeg_method: "simulated" or "released".
        generator: on the device of the frames.

    Returns:
        (N, 3, *lq_size), neither clamped nor rounded.
    """
    images, sizes = frames, full_sizes(frames)
    images, sizes = blur_resize_noise(
        images, sizes, steps, _side(frames), factors, generator, nominal=True
    )
    images = compress(images, sizes, steps.quality, jpeg_method)
    return resize(images, sizes, _all_of(lq_size, sizes), mode, lq_size, lq_size)


def second_order(
    frames: Tensor,
    first: Steps,
    second: Steps,
    ending: Ending,
    factors: tuple[Range, Range],
    lq_size: Size,
    jpeg_method: str,
    generator: torch.Generator | None,
) -> Tensor:
    """Two processes, and a resize with a sinc filter before or after the second JPEG.

    Args:
        frames: (N, 3, H, W) in [0, 1].
        first: the parameters of the first process.
        second: those of the second.
        ending: the order and the filter at the end.
        factors: the smallest and the largest factor of each process.
        lq_size: (height, width) of the LQ.
        jpeg_method: "simulated" or "released".
        generator: on the device of the frames.

    Returns:
        (N, 3, *lq_size), neither clamped nor rounded.
    """
    images, sizes = frames, full_sizes(frames)
    images, sizes = blur_resize_noise(
        images, sizes, first, _side(frames), factors[0], generator, nominal=True
    )
    images = compress(images, sizes, first.quality, jpeg_method)
    images, sizes = blur_resize_noise(images, sizes, second, lq_size, factors[1], generator)

    # Both orders are one: of the two resizes around JPEG, and of the filters that belong to them,
    # the one that is not a sample's does nothing.
    last, lq_sizes = ending.jpeg_last, _all_of(lq_size, sizes)
    between = torch.where(last[:, None], lq_sizes, sizes)
    early, late = _split(ending.sinc, last)
    h, w = (max(side, _whole(of)) for side, of in zip(_side(images), lq_size, strict=True))
    images = resize(images, sizes, between, ending.mode, (h, w), _smallest(lq_size, factors[1]))
    images = filter2d(images, between, early)
    images = compress(images, between, second.quality, jpeg_method)
    images = resize(images, between, lq_sizes, ending.mode, lq_size, lq_size)
    return filter2d(images, lq_sizes, late)


def blur_resize_noise(
    images: Tensor,
    sizes: Tensor,
    steps: Steps,
    relative_to: Size,
    factors: Range,
    generator: torch.Generator | None,
    nominal: bool = False,
) -> tuple[Tensor, Tensor]:
    """The first three operations of a process.

    Args:
        images: (N, 3, H, W) canvases in [0, 1].
        sizes: (N, 2) true sizes.
        steps: their parameters.
        relative_to: (height, width) that the factors refer to.
        factors: the smallest and the largest factor there may be.
        generator: on the device of the images.
        nominal: samples are placed by the factor itself, not by the quotient of the whole sizes.

    Returns:
        Canvases in [0, 1], with sides that are multiples of 16, and (N, 2) true sizes.
    """
    images = filter2d(images, sizes, steps.kernel)
    height, width = (_whole(max(1, int(side * factors[1]))) for side in relative_to)
    targets = torch.stack([(steps.factor * side).long().clamp(min=1) for side in relative_to], 1)
    smallest = _smallest(relative_to, factors)
    factor = steps.factor if nominal else None
    images = resize(images, sizes, targets, steps.mode, (height, width), smallest, factor)
    noisy = add_noise(images, targets, steps.poisson, steps.strength, steps.gray, generator)
    return noisy, targets


def compress(images: Tensor, sizes: Tensor, quality: Tensor, method: str) -> Tensor:
    """JPEG, "simulated" or as "released"."""
    if method == "released":
        return jpeg.released(images, sizes, quality)
    return jpeg.simulated(images, sizes, quality)


def _split(kernels: Tensor, early: Tensor) -> tuple[Tensor, Tensor]:
    """The kernels of the samples in ``early``, and those of the others; the identity elsewhere."""
    identity, early = identity_kernel(kernels), early[:, None, None]
    return torch.where(early, kernels, identity), torch.where(early, identity, kernels)


def _side(images: Tensor) -> Size:
    return images.shape[-2], images.shape[-1]


def _whole(side: int) -> int:
    return -(-side // jpeg.UNIT) * jpeg.UNIT


def _smallest(relative_to: Size, factors: Range) -> Size:
    low = min(1.0, factors[0])
    return max(1, int(relative_to[0] * low)), max(1, int(relative_to[1] * low))


def _all_of(size: Size, like: Tensor) -> Tensor:
    """(N, 2) sizes, all the same."""
    height = torch.full_like(like[:, 0], size[0])
    return torch.stack([height, torch.full_like(height, size[1])], 1)
