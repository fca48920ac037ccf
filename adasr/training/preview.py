"""``adasr degrade --preview``: what a training will see, with the parameters that made it."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from ..data.image_folder import ImageFolder
from ..data.images import to_image, write_image
from ..degradations.recording import Note, recorded
from ..errors import OptionError
from ..options import Options
from .build import make_degradation, make_training_set, pairs_of

_SIDE = 192  # smallest side of a picture on the sheet
_TEXT = 300  # width of a sample's text
_GAP, _LINE, _FONT, _LETTERS = 8, 15, 12, 46


@dataclass(frozen=True)
class Example:
    """A training sample.

    Attributes:
        name: of the image file.
        seed: gives the crop and, in a generator, the degradation.
        gt: (h, w, 3) uint8, as the network's target.
        lq: (h / scale, w / scale, 3) uint8.
        notes: the operations and their parameters.
    """

    name: str
    seed: int
    gt: np.ndarray
    lq: np.ndarray
    notes: Sequence[Note]


def write_preview(
    options: Options,
    target: Path,
    count: int,
    seed: int = 0,
    source: Path | None = None,
    tell: Callable[[str], None] = print,
) -> None:
    """Draw ``count`` training samples of ``options`` on a sheet.

    Args:
        options: checked options with a degradation.
        target: file to write, e.g. ``sheet.png``.
        count: number of samples.
        seed: of the first sample; the next ones count up.
        source: folder of images in place of the training set's.
        tell: takes a line for a person.

    Raises:
        OptionError: no degradation, or no images.
        ImageWriteError: the file cannot be written.
    """
    examples = make_examples(options, count, seed, source)
    write_image(target, contact_sheet(examples))
    last = seed + count - 1
    tell(f"{target}: {count} samples of {_degradation_name(options)}, seeds {seed} to {last}")


def make_examples(
    options: Options, count: int, seed: int = 0, source: Path | None = None
) -> list[Example]:
    """The samples of a preview; see ``write_preview``."""
    degradation = make_degradation(options)
    if degradation is None:
        hint = "E.g. {type: RealESRGAN}."
        raise options.source.error(
            [OptionError("there is none to preview.", ("degradation",), hint)]
        )
    dataset = _training_set(options, degradation, source)
    make_pairs = pairs_of(degradation, dataset)
    assert make_pairs is not None  # there is a degradation
    examples = []
    for own in range(seed, seed + count):
        item = dataset[(own, own)]
        with recorded() as notes:
            lq, gt = make_pairs(item["gt"][None], torch.Generator().manual_seed(own))
        examples.append(
            Example(Path(item["path"]).name, own, to_image(gt[0]), to_image(lq[0]), notes)
        )
    return examples


def contact_sheet(examples: Sequence[Example]) -> np.ndarray:
    """(H, W, 3) uint8: GT, LQ enlarged to the same size, and the parameters, two samples a row."""
    font = ImageFont.load_default(_FONT)
    texts = [_lines(example) for example in examples]
    side = max(_SIDE, examples[0].gt.shape[0])
    width, columns = 2 * (side + _GAP) + _TEXT, min(2, len(examples))
    rows = [range(i, min(i + columns, len(examples))) for i in range(0, len(examples), columns)]
    heights = [max(side, *(_LINE * len(texts[i]) for i in row)) + _GAP for row in rows]
    size = (columns * (width + _GAP) + _GAP, sum(heights) + _GAP)
    sheet = Image.new("RGB", size, (24, 24, 24))
    draw, top = ImageDraw.Draw(sheet), _GAP
    for row, height in zip(rows, heights, strict=True):
        for column, i in enumerate(row):
            left = _GAP + column * (width + _GAP)
            for picture in (examples[i].gt, examples[i].lq):
                enlarged = Image.fromarray(picture).resize((side, side), Image.Resampling.NEAREST)
                sheet.paste(enlarged, (left, top))
                left += side + _GAP
            for line, text in enumerate(texts[i]):
                fill = (255, 255, 255) if line == 0 else (190, 190, 190)
                draw.text((left, top + _LINE * line), text, fill, font)
        top += height
    return np.asarray(sheet)


def _lines(example: Example) -> list[str]:
    title = textwrap.shorten(f"seed {example.seed}: {example.name}", _LETTERS, placeholder="...")
    notes = [str(note) for note in example.notes] or ["(no parameters recorded)"]
    wrapped = [textwrap.wrap(text, _LETTERS, subsequent_indent="    ") for text in notes]
    return [title, *(line for lines in wrapped for line in lines)]


def _training_set(options: Options, degradation: Any, source: Path | None) -> Any:
    """The options' training set, or crops of the same size from another folder."""
    train = options.datasets.train
    if source is not None:
        size = (train.arguments.get("gt_size") if train else None) or 32 * options.scale
        frame = degradation.frame_size(size) if hasattr(degradation, "frame_size") else 0
        return ImageFolder(str(source), size, options.scale, frame)
    if train is None:
        hint = "Name a folder with -i, or add datasets.train."
        raise options.source.error(
            [OptionError("there are no images to show.", ("datasets", "train"), hint)]
        )
    return make_training_set(options, degradation)


def _degradation_name(options: Options) -> str:
    return options.degradation.type if options.degradation else "none"
