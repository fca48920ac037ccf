"""Pictures of a report: cropped where they have most detail, encoded without loss."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Mapping, Sequence
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


@dataclass(frozen=True)
class Embedded:
    """Pictures as the page takes them.

    Attributes:
        pictures: plain data; each version names its image by its place in ``images``.
        images: data URIs, each of them once.
        left_out: how many pictures did not fit.
    """

    pictures: list[dict[str, Any]]
    images: list[str]
    left_out: int


def embedded(pictures: Sequence[Picture], scale: int, budget: int = BUDGET) -> Embedded:
    """The pictures for the page.

    Every picture is cut to the same side, the largest that keeps all of them within ``budget``;
    where even the smallest does not, the last ones are left out.

    Args:
        pictures: in the order in which they are offered.
        scale: of the networks.
        budget: bytes of all images before they become text.
    """
    found = Embedded([], [], 0)
    for side in _SIDES:
        if pictures and side > _SIDES[-1] and _guess(pictures, side, scale) > budget:
            continue
        found = _encoded(pictures, side, scale, budget)
        if not found.left_out:
            break
    return found


def _encoded(pictures: Sequence[Picture], side: int, scale: int, budget: int) -> Embedded:
    """As many of the pictures, from the first, as fit."""
    shown: list[dict[str, Any]] = []
    known: dict[bytes, int] = {}  # the GT of an image is the same under every recipe
    images: list[str] = []
    spent = 0
    places: dict[tuple[str, str], tuple[int, int]] = {}
    for picture in pictures:
        lq = picture.lq
        h, w = (min(size, max(1, side // scale)) for size in lq.shape[:2])
        key = picture.dataset, picture.name
        if key not in places:
            whole = picture.gt if picture.gt is not None else _enlarged(lq, scale)
            places[key] = _busiest(whole, h, w, scale)
        top, left = places[key]
        top, left = min(top, lq.shape[0] - h), min(left, lq.shape[1] - w)
        versions = []
        for kind, label, image in _versions(picture, scale, top, left, h, w):
            pixels = image.tobytes() + str(image.shape).encode()
            if pixels not in known:
                known[pixels] = len(images)
                images.append(_uri(image))
                spent += len(images[-1]) * 3 // 4
            versions.append({"kind": kind, "label": label, "image": known[pixels]})
        if spent > budget:
            break
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
    used = 1 + max((v["image"] for one in shown for v in one["versions"]), default=-1)
    return Embedded(shown, images[:used], len(pictures) - len(shown))


def _versions(
    picture: Picture, scale: int, top: int, left: int, h: int, w: int
) -> Iterator[tuple[str, str, np.ndarray]]:
    """Kind, label and crop: LQ, bicubic interpolation, the networks, GT."""
    coarse = slice(top, top + h), slice(left, left + w)
    fine = tuple(slice(one.start * scale, one.stop * scale) for one in coarse)
    yield "lq", "LQ", np.ascontiguousarray(picture.lq[coarse])
    if BICUBIC not in picture.sr:
        yield "bicubic", BICUBIC, _enlarged(picture.lq, scale)[fine]
    for name, sr in picture.sr.items():
        yield "sr", name, sr[fine]
    if picture.gt is not None:
        yield "gt", "GT", picture.gt[fine]


def _uri(image: np.ndarray) -> str:
    """A data URI of lossless WebP."""
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(image)).save(file, "WEBP", lossless=True, quality=50)
    return f"data:image/webp;base64,{base64.b64encode(file.getvalue()).decode('ascii')}"


def _enlarged(lq: np.ndarray, scale: int) -> np.ndarray:
    size = (lq.shape[1] * scale, lq.shape[0] * scale)
    return np.asarray(Image.fromarray(lq).resize(size, Image.Resampling.BICUBIC))


def _guess(pictures: Sequence[Picture], side: int, scale: int) -> float:
    """About how many bytes all pictures take, from one of them: encoding them all takes long."""
    sample = _encoded([pictures[len(pictures) // 2]], side, scale, 1 << 60)
    spent = sum(len(text) * 3 / 4 for text in sample.images)
    held = _pixels(pictures[len(pictures) // 2], side, scale)
    return spent / held * sum(_pixels(picture, side, scale) for picture in pictures)


def _pixels(picture: Picture, side: int, scale: int) -> int:
    h, w = (min(size * scale, side) for size in picture.lq.shape[:2])
    return h * w * (len(picture.sr) + 1)


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
