"""Real-ESRGAN's random degradations of a batch of frames: the draws and what is done with them."""

from __future__ import annotations

from torch import Generator, Tensor

from ..pipeline import Process
from .draws import Numbers, draw_ending, draw_modes, draw_steps
from .process import first_order, second_order


def degrade_once(
    frames: Tensor, process: Process, scale: int, jpeg_method: str, generator: Generator
) -> Tensor:
    """One process and a resize, each sample with parameters of its own.

    Args:
        frames: (N, 3, H, W) in [0, 1]; H and W multiples of ``scale``.
        process: the ranges of the parameters.
        scale: factor between LQ and GT.
        jpeg_method: "simulated" or "released".
        generator: on the device of the frames.

    Returns:
        (N, 3, H / scale, W / scale), neither clamped nor rounded.
    """
    numbers = Numbers(len(frames), frames.device, generator)
    steps, mode = draw_steps(process, numbers), draw_modes(numbers)
    size = frames.shape[-2] // scale, frames.shape[-1] // scale
    return first_order(frames, steps, mode, process.resize_range, size, jpeg_method, generator)


def degrade_twice(
    frames: Tensor,
    first: Process,
    second: Process,
    sinc: tuple[int, float],
    scale: int,
    jpeg_method: str,
    generator: Generator,
) -> Tensor:
    """Two processes and a sinc filter, each sample with parameters of its own.

    Args:
        frames: (N, 3, H, W) in [0, 1]; H and W multiples of ``scale``.
        first: the ranges of the first process' parameters.
        second: those of the second's.
        sinc: largest side and probability of the last sinc filter.
        scale: factor between LQ and GT.
        jpeg_method: "simulated" or "released".
        generator: on the device of the frames.

    Returns:
        (N, 3, H / scale, W / scale), neither clamped nor rounded.
    """
    numbers = Numbers(len(frames), frames.device, generator)
    steps = draw_steps(first, numbers), draw_steps(second, numbers)
    ending = draw_ending(*sinc, numbers)
    factors = first.resize_range, second.resize_range
    size = frames.shape[-2] // scale, frames.shape[-1] // scale
    return second_order(frames, *steps, ending, factors, size, jpeg_method, generator)
