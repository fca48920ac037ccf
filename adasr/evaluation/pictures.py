"""What a network makes of images, beside what it got and what it should give."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from ..data.images import to_image, to_tensor
from .baseline import Bicubic
from .validate import ImageResult

_GAP, _HEAD, _FONT = 8, 24, 14


class CropSheet:
    """Collects crops of a few results of a dataset; give it to ``evaluate`` as ``on_image``.

    The images are spread over the dataset and its recipes, and the crop of each is where its GT
    has most detail, so it is the same at every validation.

    Args:
        count: number of images.
        side: of a crop in GT pixels; smaller images are shown whole.
    """

    def __init__(self, count: int, side: int = 128) -> None:
        self.count, self.side = count, side
        self._rows: list[np.ndarray] = []

    def __call__(self, done: ImageResult) -> None:
        """Keep a crop of ``done`` if it is one of the chosen images and was restored."""
        if done.lq is None or done.sr is None or done.gt is None:
            return
        if done.index not in spread(self.count, done.total):
            return
        lq, sr, gt = _detail(done.lq, done.sr, done.gt, self.side)
        title = f"{done.name}, {done.recipe}" if done.recipe else done.name
        scores = ", ".join(f"{label} {value:.4g}" for label, value in done.values.items())
        self._rows.append(side_by_side(comparison(lq, sr, gt), f"{title}: {scores}"))

    def picture(self) -> Tensor | None:
        """(3, H, W) in [0, 1]: a row LQ | bicubic | SR | GT for each image; None without any."""
        if not self._rows:
            return None
        width = max(row.shape[1] for row in self._rows)
        padded = [
            np.pad(row, ((0, _GAP), (0, width - row.shape[1]), (0, 0)), constant_values=255)
            for row in self._rows
        ]
        return to_tensor(np.concatenate(padded))


def spread(count: int, total: int) -> list[int]:
    """At most ``count`` indices below ``total``, from the first to the last evenly."""
    return sorted({int(i) for i in np.linspace(0, total - 1, min(count, total)).round()})


def comparison(lq: Tensor, sr: Tensor, gt: Tensor) -> dict[str, np.ndarray]:
    """LQ enlarged by nearest neighbours, by bicubic interpolation, SR and GT, by their labels.

    Args:
        lq: (3, h, w) in [0, 1].
        sr: (3, H, W); clamped.
        gt: (3, H, W).

    Returns:
        Images (H, W, 3) uint8; none of bicubic interpolation where LQ has the size of GT.
    """
    scale = gt.shape[-1] // lq.shape[-1]
    panels = {"LQ": lq.repeat_interleave(scale, -1).repeat_interleave(scale, -2)}
    if scale > 1:
        panels["bicubic"] = Bicubic(scale)(lq[None])[0]
    panels |= {"SR": sr, "GT": gt}
    return {label: to_image(panel) for label, panel in panels.items()}


def side_by_side(panels: Mapping[str, np.ndarray], title: str = "") -> np.ndarray:
    """(H, W, 3) uint8: images of one height next to each other, each under its label."""
    font = ImageFont.load_default(size=_FONT)
    top = 2 * _HEAD if title else _HEAD
    height = max(panel.shape[0] for panel in panels.values())
    width = sum(panel.shape[1] + _GAP for panel in panels.values()) - _GAP
    canvas = Image.new("RGB", (width, height + top), "white")
    draw = ImageDraw.Draw(canvas)
    draw.text((2, 3), _fitted(title, font, width - 4), fill="black", font=font)
    left = 0
    for label, panel in panels.items():
        draw.text((left + 2, top - _HEAD + 3), label, fill="black", font=font)
        canvas.paste(Image.fromarray(panel), (left, top))
        left += panel.shape[1] + _GAP
    return np.asarray(canvas)


def _fitted(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> str:
    """``text``, cut at its front where it is wider: the end holds recipe and scores."""
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(f"...{text}") > width:
        text = text[1:]
    return f"...{text}"


def _detail(lq: Tensor, sr: Tensor, gt: Tensor, side: int) -> tuple[Tensor, Tensor, Tensor]:
    """The same crop of all three, on LQ's grid, where GT's neighbouring pixels differ most."""
    scale = gt.shape[-1] // lq.shape[-1]
    own = max(1, side // scale)
    height, width = min(own, lq.shape[-2]), min(own, lq.shape[-1])
    gray = gt.mean(0)
    detail = torch.zeros_like(gray)
    detail[1:] += gray.diff(dim=0).abs()
    detail[:, 1:] += gray.diff(dim=1).abs()
    step = max(1, own // 4)
    size = (height * scale, width * scale)
    found = F.avg_pool2d(detail[None, None], size, step * scale)[0, 0]
    row, column = divmod(int(found.argmax()), found.shape[1])
    top, left = row * step, column * step
    crops = [lq[:, top : top + height, left : left + width]]
    for image in (sr, gt):
        crops.append(
            image[
                :,
                top * scale : (top + height) * scale,
                left * scale : (left + width) * scale,
            ]
        )
    return crops[0], crops[1], crops[2]
