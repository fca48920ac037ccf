"""A test image and a recipe to its LQ."""

from __future__ import annotations

import numpy as np

from ... import pixels
from ...errors import OptionError
from ..checks import check_scale
from .groups import find_recipe
from .recipe import random_stream


def modcrop(image: np.ndarray, scale: int) -> np.ndarray:
    """An (H, W[, C]) image cut at the bottom and right to a multiple of ``scale``.

    Raises:
        OptionError: the image is smaller than ``scale``, or ``scale`` is below 1.
    """
    check_scale(scale)
    h, w = image.shape[:2]
    if min(h, w) < scale:
        raise OptionError(f"{scale} is larger than the image of {h}x{w} pixels.", ("scale",))
    return pixels.modcrop(image, scale)


def degrade(image: np.ndarray, recipe: str, scale: int, name: str) -> np.ndarray:
    """The LQ of a test image.

    Args:
        image: (H, W, 3) uint8 RGB; cut to a multiple of ``scale`` where it is not one.
        recipe: name of one of ``RECIPES``.
        scale: downscaling factor.
        name: what all that is random is seeded with, by convention the file's path in its data
            set, without suffix and with "/" between folders.

    Returns:
        (H / scale, W / scale, 3) uint8.

    Raises:
        OptionError: an unknown recipe, or an image smaller than ``scale`` or larger than a codec
            can hold.
        ValueError: not an 8-bit RGB image.
    """
    steps = find_recipe(recipe)
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(f"expected (H, W, 3) uint8, got {image.shape} {image.dtype}")
    lq = np.ascontiguousarray(modcrop(image, scale))
    if steps.blur is not None:
        lq = steps.blur(lq, random_stream(f"{recipe}/{name}/blur"))
    if scale > 1:
        lq = steps.downscaling(lq, scale)
    if steps.noise is not None:
        lq = steps.noise(lq, random_stream(f"{recipe}/{name}"))
    if steps.codec is not None:
        lq = steps.codec(lq)
    return np.ascontiguousarray(lq)
