"""From GT frames to cropped pairs on their device."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import torch
from torch import Generator, Tensor

from .canvas import crop
from .filters import usm_sharp

Degrade = Callable[[Tensor, Generator], Tensor]
"""(frames (N, 3, H, W), generator on their device) -> LQ frames (N, 3, H / scale, W / scale)."""


@torch.no_grad()
def make_pairs(
    frames: Tensor,
    degrade: Degrade,
    generator: Generator,
    *,
    scale: int,
    gt_usm: bool,
    lq_size: tuple[int, int],
    views: int = 1,
    gt_plain: bool = False,
) -> tuple[Tensor, ...]:
    """Degrade whole frames and cut a pair of crops out of each.

    Frames are degraded whole: a draw may reach 160 pixels of the GT to each side of a crop, and
    whole blocks of JPEG beyond, so that no smaller part of fixed size would be exact. The grid of
    JPEG's blocks and the mirrored borders are then those of the frame wherever the crop lies.

    Args:
        frames: (N, 3, H, W), uint8 or floats in [0, 1]; H and W multiples of ``scale``.
        degrade: what is done to them.
        generator: on the frames' device, or any other, which then seeds one there.
        scale: factor between LQ and GT.
        gt_usm: sharpen the frames first; LQ and GT are made of the sharpened ones.
        lq_size: (height, width) of the LQ crops.
        views: how often every frame is degraded; the crops lie at the same place.
        gt_plain: give crops of the frames before sharpening as well.

    Returns:
        lq (views * N, 3, *lq_size) of whole 8-bit levels in [0, 1], all of one view after those of
        the other, and gt (views * N, 3, ...) of ``scale`` times their size, repeated alike; with
        ``gt_plain`` the same without sharpening as the third.
    """
    generator = on_device(generator, frames.device)
    with full_precision(frames.device):
        plain = _in_range(frames)
        frames = usm_sharp(plain) if gt_usm else plain
        places = _draw_corners(frames, lq_size, scale, generator)
        lq = [crop(degrade(frames, generator), places, lq_size) for _ in range(views)]
        size = lq_size[0] * scale, lq_size[1] * scale
        targets = [
            crop(images, places * scale, size).repeat(views, 1, 1, 1)
            for images in ((frames, plain) if gt_plain else (frames,))
        ]
        return (torch.cat(lq) * 255).round().clamp(0, 255) / 255, *targets


def on_device(generator: Generator, device: torch.device) -> Generator:
    """The generator itself where it is of that kind of device, or one there that it seeds.

    Noise is drawn where the images are; copies of a CPU's noise would cost more than all the rest.
    """
    if generator.device.type == device.type:
        return generator
    seed = torch.randint(2**62, (), generator=generator, device=generator.device)
    return Generator(device).manual_seed(int(seed))


@contextlib.contextmanager
def full_precision(device: torch.device) -> Iterator[None]:
    """No autocast, no TF32: eight bits of an image and JPEG's whole numbers need float32."""
    matmul = torch.backends.cuda.matmul
    # Both kinds of switch exist since torch 2.9, where reading the old one fails if the new is set.
    name, full = ("fp32_precision", "ieee") if _has_new_switch() else ("allow_tf32", False)
    before = getattr(matmul, name)
    if before != full:  # it belongs to all threads, and compiled networks look at it
        setattr(matmul, name, full)
    try:
        with torch.autocast(device.type, enabled=False):
            yield
    finally:
        if before != full:
            setattr(matmul, name, before)


def _has_new_switch() -> bool:
    try:
        return isinstance(torch.backends.cuda.matmul.fp32_precision, str)
    except AttributeError:
        return False


def _in_range(frames: Tensor) -> Tensor:
    if frames.dtype == torch.uint8:
        return frames.float() / 255
    # Levels are counted by their number, and NaN has none: a GPU would stop for good.
    return frames.float().nan_to_num(0.0).clamp(0, 1)


def _draw_corners(
    frames: Tensor,
    lq_size: tuple[int, int],
    scale: int,
    generator: Generator,
) -> Tensor:
    """(N, 2) first rows and columns of the LQ crops."""
    drawn = []
    for side, length in zip(lq_size, frames.shape[-2:], strict=True):
        shape, device = (len(frames),), frames.device
        count = length // scale - side + 1
        drawn.append(torch.randint(count, shape, generator=generator, device=device))
    return torch.stack(drawn, 1)
