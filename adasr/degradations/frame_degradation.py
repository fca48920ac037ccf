"""Random degradations of crops as parts of larger frames, each sample on its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar, get_args

import numpy as np
import torch
from torch import Generator, Tensor

from ..errors import OptionError
from .batched.pairs import make_pairs
from .checks import check_scale
from .compiled import compiled
from .jpeg import JpegMethod
from .levels import as_float, quantized
from .operators import Operator, PoissonNoise, Size, plan, run, tell
from .recording import listening
from .regions import Region, whole
from .sharpening import before_sharpening, sharpen
from .threads import for_each, one_thread


class FrameDegradation:
    """Degrades frames and cuts crops out of them, computing only what the crops hang on.

    A crop looks like a part of a larger image that was degraded as a whole, as Real-ESRGAN makes
    it of 400x400 pixels: no border of its own, and a JPEG grid at any phase.

    Subclasses draw the operators of each sample. Those that can degrade whole frames in one batch
    say so with ``batched`` and give ``_degrade_batch``; all others are computed on the host.

    Args:
        scale: downscaling factor.
        gt_usm: sharpen the GT first.
        jpeg_method: see ``jpeg.jpeg``.
        frame: side of the frames in GT pixels.

    Raises:
        OptionError: a value out of range.
    """

    batched: ClassVar[bool] = False

    def __init__(self, scale: int, gt_usm: bool, jpeg_method: JpegMethod, frame: int) -> None:
        self.scale, self.gt_usm = check_scale(scale), gt_usm
        self.jpeg_method: JpegMethod = jpeg_method
        if jpeg_method not in get_args(JpegMethod):
            raise OptionError(
                f"expected one of {', '.join(get_args(JpegMethod))}, got {jpeg_method!r}.",
                ("jpeg_method",),
            )
        if frame < 1:
            raise OptionError(f"must be at least 1, got {frame}.", ("frame",))
        self.frame = frame

    @property
    def families(self) -> tuple[str, ...] | None:
        """What it may do to an image, see ``families``; None where it does not say."""
        return None

    def frame_size(self, gt_size: int) -> int:
        """Side of the frames for crops of ``gt_size``: a multiple of the scale that holds one."""
        return -(-max(self.frame, gt_size) // self.scale) * self.scale

    @torch.no_grad()
    def __call__(
        self,
        frames: Tensor,
        generator: Generator,
        gt_size: int | None = None,
        views: int = 1,
        gt_plain: bool = False,
    ) -> tuple[Tensor, ...]:
        """Degrade a batch.

        Args:
            frames: (N, 3, H, W), uint8 or floats in [0, 1]; H and W multiples of ``scale``.
            generator: where all random numbers come from; the same one in the same state gives
                the same batch, for any number of threads.
            gt_size: side of the crops, a multiple of ``scale``, cut at random places of the
                frames; None degrades whole frames.
            views: how often every sample is degraded, each time with parameters of its own, but
                cut at the same place. The first view is the same for any number.
            gt_plain: give the target that is not sharpened as well.

        Returns:
            lq (views * N, 3, h / scale, w / scale), whole 8-bit levels in [0, 1], all samples of
            one view after those of the other, and gt (views * N, 3, h, w), repeated alike and
            sharpened if ``gt_usm``; with ``gt_plain`` the same without sharpening as the third.

        Raises:
            ValueError: a batch of another shape, one that is smaller than ``gt_size``, or NaN in
                what the crops hang on.
        """
        size = check_frames(frames, gt_size, self.scale)
        together = self.batched and self.jpeg_method != "codec" and not listening()
        if together and frames.device.type != "cpu":
            return self.degrade_together(frames, generator, gt_size, views, gt_plain)
        crops = draw_crops(len(frames), size, gt_size, self.scale, generator)
        with one_thread():
            drawn = [self._draw(len(frames), size, generator) for _ in range(views)]
        operators = [sample for view in drawn for sample in view]
        for sample in operators if listening() else ():
            self._tell(sample)
        with torch.inference_mode(False):  # threads, which write to them, know nothing of that mode
            lq = torch.empty(len(operators), 3, *crops[0].size)
            shape = 1 + gt_plain, len(frames), 3, *crops[0].scaled(self.scale).size
            targets = torch.empty(shape)
        on_host = frames.detach().cpu()

        def degrade(index: int) -> None:
            sample = index % len(frames)
            lq[index], *found = self._pair(
                on_host[sample], operators[index], crops[sample], gt_plain
            )
            if index == sample:  # the last bits of other views' may differ
                for target, image in zip(targets, found, strict=True):
                    target[sample] = image

        # Autocast would lower the precision of the filters.
        with torch.autocast("cpu", enabled=False):
            for_each(len(operators), degrade)
        targets = targets if views == 1 else targets.repeat(1, views, 1, 1, 1)
        return lq.to(frames.device), *targets.to(frames.device)

    def degrade_together(
        self,
        frames: Tensor,
        generator: Generator,
        gt_size: int | None = None,
        views: int = 1,
        gt_plain: bool = False,
    ) -> tuple[Tensor, ...]:
        """The same of whole frames in one batch, which is what a GPU does fastest.

        Calls choose this for frames on any device but the CPU where there is such a form, unless
        JPEG is to be the codec's or the parameters are to be noted.
        Arguments and result as there; the numbers drawn are others, of the same distribution, and
        NaN in a frame is black, for to look for it would be to wait for the device.
        """
        size = check_frames(frames, gt_size, self.scale)
        crop = self._lq_size(size if gt_size is None else (gt_size, gt_size))
        return make_pairs(
            frames,
            self._degrade_batch,
            generator,
            scale=self.scale,
            gt_usm=self.gt_usm,
            lq_size=crop,
            views=views,
            gt_plain=gt_plain,
        )

    def _degrade_batch(self, frames: Tensor, generator: Generator) -> Tensor:
        """LQ frames (N, 3, H / scale, W / scale) of (N, 3, H, W), nothing waiting for the device.

        ``generator`` is on the device of the frames.
        """
        raise NotImplementedError

    def _draw(self, n: int, size: Size, generator: Generator) -> list[Sequence[Operator]]:
        """The operators of ``n`` samples, from a GT frame of (height, width) to an LQ frame."""
        raise NotImplementedError

    def _tell(self, operators: Sequence[Operator]) -> None:
        """Leave notes of a sample's operators, where somebody listens."""
        tell(operators)

    def _pair(
        self, frame: Tensor, operators: Sequence[Operator], crop: Region, gt_plain: bool
    ) -> tuple[Tensor, ...]:
        """LQ, GT and perhaps plain GT of a crop, given in LQ pixels, of a (3, H, W) frame."""
        size = frame.shape[-2], frame.shape[-1]
        regions = plan(operators, crop)
        target = crop.scaled(self.scale)
        seen = regions[0].hull(target)
        source = before_sharpening(seen, size) if self.gt_usm else seen
        image = as_float(source.cut(frame, whole(size)))
        if frame.is_floating_point() and not bool(image.sum().isfinite()):
            raise ValueError("the GT holds NaN or infinite values")
        plain = (target.cut(image, source),) if gt_plain else ()
        if self.gt_usm:
            image = sharpen(image, source, seen, size)
        counting = any(isinstance(step, PoissonNoise) for step in operators)
        if counting and regions[0] != whole(size):
            small = thumbnail(frame)
            operators = [
                replace(step, thumbnail=small) if isinstance(step, PoissonNoise) else step
                for step in operators
            ]
        lq = run(operators, regions[0].cut(image, seen), regions)
        return quantized(lq), target.cut(image, seen), *plain

    def _lq_size(self, size: Size) -> Size:
        return size[0] // self.scale, size[1] // self.scale


def thumbnail(frame: Tensor) -> Tensor:
    """(3, H / 4, W / 4) means of a (3, H, W) frame, in [0, 1]; of tiny frames the frame itself."""
    image = (frame if frame.dtype == torch.uint8 else frame.float()).contiguous()
    if min(frame.shape[-2:]) < 4:
        return as_float(image)
    result = torch.empty(3, frame.shape[-2] // 4, frame.shape[-1] // 4)
    unit = 1 / 255 if frame.dtype == torch.uint8 else 1.0
    _means(image.numpy(), np.float32(unit / 16), result.numpy())
    return result


@compiled
def _means(planes, unit, result):
    sums = np.empty(planes.shape[2], np.float32)
    for c in range(result.shape[0]):
        for y in range(result.shape[1]):
            rows = planes[c, 4 * y : 4 * y + 4]
            first, second, third, fourth = rows[0], rows[1], rows[2], rows[3]
            for x in range(len(sums)):
                above = np.float32(first[x]) + np.float32(second[x])
                sums[x] = unit * (above + (np.float32(third[x]) + np.float32(fourth[x])))
            line = result[c, y]
            for x in range(len(line)):
                line[x] = sums[4 * x] + sums[4 * x + 1] + sums[4 * x + 2] + sums[4 * x + 3]


def check_frames(frames: Tensor, gt_size: int | None, scale: int) -> Size:
    """(height, width) of a batch of frames.

    Raises:
        ValueError: not (N, 3, H, W), or sides that do not fit.
    """
    if frames.dim() != 4 or frames.shape[1] != 3 or not len(frames):
        raise ValueError(f"expected a (N, 3, H, W) GT batch, got {tuple(frames.shape)}")
    h, w = frames.shape[-2:]
    if h % scale or w % scale or min(h, w) < scale:
        raise ValueError(f"GT of {h}x{w} must be a multiple of scale {scale}")
    if gt_size is not None and (gt_size < scale or gt_size % scale or gt_size > min(h, w)):
        raise ValueError(
            f"gt_size {gt_size} must be a multiple of scale {scale} and not exceed the GT of "
            f"{h}x{w}"
        )
    return h, w


def draw_crops(
    n: int, size: Size, gt_size: int | None, scale: int, generator: Generator
) -> list[Region]:
    """``n`` places of crops in a frame, in LQ pixels, all places being equally likely."""
    height, width = (side // scale for side in size)
    if gt_size is None:
        return [whole((height, width))] * n
    side = gt_size // scale
    device = generator.device
    tops, lefts = (
        torch.randint(length - side + 1, (n,), generator=generator, device=device).tolist()
        for length in (height, width)
    )
    return [
        Region((top, top + side), (left, left + side))
        for top, left in zip(tops, lefts, strict=True)
    ]
