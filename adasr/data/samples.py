"""A small data set of photographs that scikit-image brings along; nothing is downloaded.

Validation crops come from photographs of which no part is in the training set.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..errors import ImageReadError, UnavailableError
from .images import read_rgb, write_image

# File name and box (top, left, height, width) or the whole image. Photographs with real texture
# only: no drawings, no renderings. retina.jpg is mostly black border outside its box.
_TRAIN: dict[str, tuple[int, int, int, int] | None] = {
    "astronaut.png": None,
    "brick.png": None,
    "camera.png": None,
    "coins.png": None,
    "grass.png": None,
    "gravel.png": None,
    "hubble_deep_field.jpg": (0, 0, 512, 512),
    "ihc.png": None,
    "moon.png": None,
    "retina.jpg": (300, 300, 768, 768),
    "rocket.jpg": None,
}
_VAL: dict[str, tuple[int, int, int, int]] = {
    "chelsea.png": (0, 96, 288, 288),
    "coffee.png": (60, 168, 288, 288),
    "motorcycle_left.png": (150, 150, 288, 288),
}


def write_samples(folder: str | Path) -> tuple[list[Path], list[Path]]:
    """Write the sample photographs as RGB PNG to ``folder/train`` and ``folder/val``.

    The validation crops are 288 x 288, a multiple of every scale in use.

    Returns:
        The training and the validation files.

    Raises:
        UnavailableError: scikit-image's installation lacks them.
        ImageWriteError: the folder cannot be written.
    """
    import skimage

    source, folder = Path(skimage.__file__).parent / "data", Path(folder)
    train = [_copy(source / n, folder / "train", box) for n, box in _TRAIN.items()]
    val = [_copy(source / n, folder / "val", box) for n, box in _VAL.items()]
    return train, val


def _copy(source: Path, folder: Path, box: tuple[int, int, int, int] | None) -> Path:
    try:
        image = read_rgb(source)
    except ImageReadError as error:
        raise UnavailableError(
            f"the sample photographs need scikit-image's own files: {error} "
            "Install scikit-image again, or train on a folder of your own."
        ) from None
    if box is not None:
        top, left, height, width = box
        image = image[top : top + height, left : left + width]
    target = folder / f"{source.stem}.png"
    write_image(target, np.ascontiguousarray(image))
    return target
