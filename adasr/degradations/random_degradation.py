"""Random degradations of crops with a margin: sharpening and where a crop is cut."""

from __future__ import annotations

from typing import get_args

import torch
from torch import Tensor

from ..errors import OptionError
from .blur import usm_sharp
from .checks import check_scale
from .jpeg import JpegMethod
from .pipeline import as_float, check_size, middle, quantized, whole_margin
from .threads import one_thread

_BLOCK = 8  # the side of a JPEG block


class RandomDegradation:
    """Degrades crops with a margin around them and cuts it off.

    For degradations whose operations take whole images; see ``FrameDegradation`` for those that can
    compute a part of one.
    """

    def __init__(self, scale: int, gt_usm: bool, jpeg_method: JpegMethod, margin: int) -> None:
        self.scale, self.gt_usm = check_scale(scale), gt_usm
        self.jpeg_method: JpegMethod = jpeg_method
        if jpeg_method not in get_args(JpegMethod):
            raise OptionError(
                f"expected one of {', '.join(get_args(JpegMethod))}, got {jpeg_method!r}.",
                ("jpeg_method",),
            )
        if margin < 0:
            raise OptionError(f"must be at least 0, got {margin}.", ("margin",))
        self.margin = whole_margin(margin, scale)

    def frame_size(self, gt_size: int) -> int:
        """Side of the frames for crops of ``gt_size``."""
        return gt_size + 2 * self.margin

    @torch.no_grad()
    def __call__(
        self,
        frames: Tensor,
        generator: torch.Generator,
        gt_size: int | None = None,
        views: int = 1,
    ) -> tuple[Tensor, Tensor]:
        """Degrade a batch.

        Args:
            frames: (N, 3, H, W), uint8 or floats in [0, 1]; H and W multiples of ``scale`` and
                larger than ``2 * margin``.
            generator: where all random numbers come from; the same one in the same state gives
                the same batch.
            gt_size: side of the crops, out of the middle of the frames; None takes all but the
                margin.
            views: how often every sample is degraded, each time with parameters of its own, but
                cut at the same place. The first view is the same for any number.

        Returns:
            lq (views * N, 3, h / scale, w / scale), whole 8-bit levels in [0, 1], all samples of
            one view after those of the other, and gt (views * N, 3, h, w), repeated alike, where
            ``h`` is ``gt_size`` or ``H - 2 * margin``; gt is sharpened if ``gt_usm``.

        Raises:
            ValueError: a batch of another shape.
        """
        check_size(frames, self.margin, self.scale)
        gt = as_float(middle(frames, gt_size, self.margin, self.scale))
        # Autocast would lower the precision of the filters.
        with torch.autocast(gt.device.type, enabled=False), one_thread():
            gt = usm_sharp(gt) if self.gt_usm else gt
            first = torch.cat(self._degrade(gt, generator))
            places = self._draw_places(first, generator)
            others = [torch.cat(self._degrade(gt, generator)) for _ in range(views - 1)]
            return self._crop([quantized(lq) for lq in (first, *others)], gt, places)

    def _degrade(self, gt: Tensor, generator: torch.Generator) -> list[Tensor]:
        """(1, 3, H / scale, W / scale) for each sample."""
        raise NotImplementedError

    def _lq_size(self, gt: Tensor) -> tuple[int, int]:
        return gt.shape[-2] // self.scale, gt.shape[-1] // self.scale

    def _draw_places(self, lq: Tensor, generator: torch.Generator) -> list[list[int]]:
        """A random place to cut each sample, so that JPEG's blocks do not always start there."""
        around = self.margin // self.scale
        low = max(0, around - _BLOCK // 2)
        high = min(2 * around, low + _BLOCK - 1)
        return torch.randint(
            low, high + 1, (len(lq), 2), generator=generator, device=generator.device
        ).tolist()

    def _crop(
        self, views: list[Tensor], gt: Tensor, places: list[list[int]]
    ) -> tuple[Tensor, Tensor]:
        """Cut the margin off every view, and off the GT as often."""
        s, around = self.scale, self.margin // self.scale
        h, w = (side - 2 * around for side in views[0].shape[-2:])
        cuts = [(i, y, x) for i, (y, x) in enumerate(places)]
        lq = torch.stack([v[i, :, y : y + h, x : x + w] for v in views for i, y, x in cuts])
        gt = torch.stack(
            [gt[i, :, y * s : (y + h) * s, x * s : (x + w) * s] for _ in views for i, y, x in cuts]
        )
        return lq, gt
