"""Pictures of a report: cropped where they have most detail, encoded without loss."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from ..results import BICUBIC

BUDGET = 11_000_000
"""Bytes of all pictures of a page; as text they take a third more."""
_SIDES = (512, 384, 256, 192, 128, 96)


@dataclass(frozen=True)
class Picture:
    """One degraded image and what became of it.

    Attributes:
        dataset: its name in the results.
        name: the image's name.
        recipe: how the LQ was made.
        lq: (h, w, 3) uint8.
        gt: (H, W, 3) uint8, None for images without ground truth.
        sr: model to (H, W, 3) uint8.
    """

    dataset: str
    name: str
    recipe: str
    lq: np.ndarray
    gt: np.ndarray | None
    sr: Mapping[str, np.ndarray]


def embedded(
    pictures: Sequence[Picture], scale: int, budget: int = BUDGET
) -> tuple[list[dict[str, Any]], int]:
    """The pictures for the page, as plain data, and how many did not fit.

    Every picture is cut to the same side, the largest that keeps all of them within ``budget``.

    Args:
        pictures: in the order in which they are offered.
        scale: of the networks.
        budget: bytes of all images before they become text.
    """
    if not pictures:
        return [], 0
    for side in _SIDES:
        if side > _SIDES[-1] and _guess(pictures, side, scale) > budget:
            continue
        shown = _encoded(pictures, side, scale, budget)
        if len(shown) == len(pictures) or side == _SIDES[-1]:
            return shown, len(pictures) - len(shown)
    raise AssertionError("the smallest side was tried")


def _encoded(
    pictures: Sequence[Picture], side: int, scale: int, budget: int
) -> list[dict[str, Any]]:
    """As many of the pictures, from the first, as fit."""
    shown: list[dict[str, Any]] = []
    known: dict[bytes, str] = {}  # the GT of an image is the same under every recipe
    spent = 0
    places: dict[tuple[str, str], tuple[int, int]] = {}
    for picture in pictures:
        lq = picture.lq
        h, w = (min(size, max(1, side // scale)) for size in lq.shape[:2])
        place = picture.dataset, picture.name
        if place not in places:
            whole = picture.gt if picture.gt is not None else _enlarged(lq, scale)
            places[place] = _busiest(whole, h, w, scale)
        top, left = places[place]
        top, left = min(top, lq.shape[0] - h), min(left, lq.shape[1] - w)
        cut = slice(top, top + h), slice(left, left + w)
        fine = tuple(slice(one.start * scale, one.stop * scale) for one in cut)
        images = [("lq", "LQ", lq[cut])]
        if BICUBIC not in picture.sr:
            images.append(("bicubic", BICUBIC, _enlarged(lq, scale)[fine]))
        images += [("sr", name, sr[fine]) for name, sr in picture.sr.items()]
        if picture.gt is not None:
            images.append(("gt", "GT", picture.gt[fine]))
        versions = []
        for kind, label, image in images:
            key = image.tobytes() + str(image.shape).encode()
            if key not in known:
                known[key] = _uri(image)
                spent += len(known[key]) * 3 // 4
            versions.append({"kind": kind, "label": label, "src": known[key]})
        if spent > budget:
            return shown
        shown.append(
            {
                "dataset": picture.dataset,
                "name": picture.name,
                "recipe": picture.recipe,
                "width": w * scale,
                "height": h * scale,
                "left": left * scale,
                "top": top * scale,
                "whole": (h, w) == lq.shape[:2],
                "versions": versions,
            }
        )
    return shown


def _uri(image: np.ndarray) -> str:
    """A data URI of lossless WebP."""
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(image)).save(file, "WEBP", lossless=True, quality=50)
    return f"data:image/webp;base64,{base64.b64encode(file.getvalue()).decode('ascii')}"


def _enlarged(lq: np.ndarray, scale: int) -> np.ndarray:
    size = (lq.shape[1] * scale, lq.shape[0] * scale)
    return np.asarray(Image.fromarray(lq).resize(size, Image.Resampling.BICUBIC))


def _guess(pictures: Sequence[Picture], side: int, scale: int) -> int:
    """A low guess of the bytes, so that hopeless sides are not even encoded."""
    pixels = 0
    for picture in pictures:
        h, w = (min(size * scale, side) for size in picture.lq.shape[:2])
        pixels += h * w * len(picture.sr)
    return pixels


def _busiest(gt: np.ndarray, h: int, w: int, scale: int) -> tuple[int, int]:
    """Top and left, in LQ pixels, of the window of h x w where neighbours differ most."""
    gray = gt.astype(np.float32).mean(2)
    detail = np.zeros_like(gray)
    detail[1:] += np.abs(np.diff(gray, axis=0))
    detail[:, 1:] += np.abs(np.diff(gray, axis=1))
    rows, columns = gray.shape[0] // scale, gray.shape[1] // scale
    small = detail[: rows * scale, : columns * scale]
    small = small.reshape(rows, scale, columns, scale).sum((1, 3))
    sums = np.pad(small.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    windows = sums[h:, w:] - sums[:-h, w:] - sums[h:, :-w] + sums[:-h, :-w]
    top, left = np.unravel_index(int(windows.argmax()), windows.shape)
    return int(top), int(left)
