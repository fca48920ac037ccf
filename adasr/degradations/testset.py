"""The eight fixed test degradations of Kong et al. (CVPR 2022) and Xu et al. (CVPR 2025).

They act in the order blur, bicubic downscaling, noise, JPEG, on 8-bit images as the released sets
do, and depend on nothing but the image, the recipe and the image's name: a set is the same on every
machine. The released set called noise20 holds noise of sigma 40; here it is what its name says.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import PIL
from PIL import Image

from .. import pixels
from ..errors import AdasrError, DatasetError, ImageReadError, OptionError, did_you_mean
from ..files import write_text
from ..version import __version__
from .checks import check_scale
from .jpeg import jpeg_codec

BLUR_SIGMA = 2.0  # pixels of the GT
BLUR_SIZE = 21
NOISE_SIGMA = 20.0  # units of 1/255
JPEG_QUALITY = 50
# Hidden, so that loaders which take every file of a folder for an image (BasicSR) pass it by.
MANIFEST = ".manifest.json"


@dataclass(frozen=True)
class Recipe:
    """Which of the three degradations act beside the downscaling."""

    blur: bool = False
    noise: bool = False
    jpeg: bool = False


RECIPES: dict[str, Recipe] = {
    "clean": Recipe(),
    "blur2": Recipe(blur=True),
    "noise20": Recipe(noise=True),
    "jpeg50": Recipe(jpeg=True),
    "blur2_noise20": Recipe(blur=True, noise=True),
    "blur2_jpeg50": Recipe(blur=True, jpeg=True),
    "noise20_jpeg50": Recipe(noise=True, jpeg=True),
    "blur2_noise20_jpeg50": Recipe(blur=True, noise=True, jpeg=True),
}


def find_recipe(name: str) -> Recipe:
    """The recipe called ``name``.

    Raises:
        OptionError: there is none; the message carries the nearest name.
    """
    if name not in RECIPES:
        hint = did_you_mean(str(name), RECIPES)
        raise OptionError(f"unknown recipe '{name}'.", ("recipe",), hint)
    return RECIPES[name]


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
        name: what the noise is seeded with, by convention the file's path in its data set, without
            suffix and with "/" between folders.

    Returns:
        (H / scale, W / scale, 3) uint8.

    Raises:
        OptionError: an unknown recipe, or an image smaller than ``scale``.
        ValueError: not an 8-bit RGB image.
    """
    steps = find_recipe(recipe)
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(f"expected (H, W, 3) uint8, got {image.shape} {image.dtype}")
    lq = np.ascontiguousarray(modcrop(image, scale))
    if steps.blur:
        lq = cv2.GaussianBlur(lq, (BLUR_SIZE, BLUR_SIZE), BLUR_SIGMA)
    if scale > 1:
        size = (lq.shape[1] // scale, lq.shape[0] // scale)
        lq = np.asarray(Image.fromarray(lq).resize(size, Image.Resampling.BICUBIC))
    if steps.noise:
        lq = _noisy(lq, f"{recipe}/{name}")
    if steps.jpeg:
        lq = jpeg_codec(lq, JPEG_QUALITY)
    return np.ascontiguousarray(lq)


def _noisy(image: np.ndarray, key: str) -> np.ndarray:
    # RandomState is NumPy's one generator whose stream is frozen for good.
    seed = np.frombuffer(hashlib.sha256(key.encode()).digest(), "<u4")
    noise = np.random.RandomState(seed).standard_normal(image.shape) * NOISE_SIGMA
    return (image + noise).round().clip(0, 255).astype(np.uint8)


@dataclass
class TestsetReport:
    """What became of a folder's images."""

    __test__ = False  # no test class, whatever its name says

    written: list[Path] = field(default_factory=list)
    failures: dict[Path, str] = field(default_factory=dict)
    manifest: Path | None = None


def write_testset(
    files: Sequence[Path],
    names: Sequence[str],
    target: Path,
    *,
    recipe: str,
    scale: int,
    read: Callable[[Path], np.ndarray],
    write: Callable[[Path, np.ndarray], None],
    hr_target: Path | None = None,
    on_done: Callable[[Path], None] | None = None,
) -> TestsetReport:
    """Write the LQ of image files as PNG, and a manifest with their checksums.

    An image that cannot be read or is smaller than ``scale`` is left out and reported; one that
    cannot be written ends the work, since the next could not be written either.

    Args:
        files: the GT images.
        names: what to call each, with "/" between folders and no two alike: ``NAME.png`` is
            written, and the noise is seeded with it, as it is when sets are made on the fly.
        target: folder for the LQ images and ``.manifest.json``.
        recipe: name of one of ``RECIPES``.
        scale: downscaling factor.
        read: path -> (H, W, 3) RGB of uint8, uint16 or floats in [0, 1].
        write: writes such an array to a path.
        hr_target: folder for the GT cut to a multiple of ``scale``, if wanted.
        on_done: called with each file after it was handled.

    Raises:
        OptionError: an unknown recipe, or a scale below 1.
        ImageWriteError: from ``write``.
    """
    find_recipe(recipe)
    check_scale(scale)
    report, entries = TestsetReport(), {}
    for file, name in zip(files, names, strict=True):
        try:
            gt = modcrop(pixels.to_eight_bit(read(file)), scale)
        except (ImageReadError, OptionError) as error:
            report.failures[file] = str(error)
        else:
            lq = degrade(gt, recipe, scale, name)
            place = f"{name}.png"
            write(target / place, lq)
            if hr_target is not None:
                write(hr_target / place, gt)
            entries[place] = {
                "source": file.name,
                "height": lq.shape[0],
                "width": lq.shape[1],
                "sha256": hashlib.sha256(lq.tobytes()).hexdigest(),
                "gt_sha256": hashlib.sha256(gt.tobytes()).hexdigest(),
            }
            report.written.append(target / place)
        if on_done is not None:
            on_done(file)
    report.manifest = target / MANIFEST
    manifest = {
        "recipe": recipe,
        "scale": scale,
        "versions": {
            "adasr": __version__,
            "numpy": np.__version__,
            "opencv": cv2.__version__,
            "pillow": PIL.__version__,
        },
        "checksum": "SHA-256 of the (height, width, RGB) uint8 pixels",
        "images": entries,
    }
    write_text(report.manifest, json.dumps(manifest, indent=1, ensure_ascii=False) + "\n")
    return report


def verify_testset(folder: Path, read: Callable[[Path], np.ndarray]) -> dict[str, str]:
    """Compare a written set with its manifest.

    Returns:
        Name -> problem of every image that is missing, unreadable or changed; empty if all is well.

    Raises:
        DatasetError: no manifest, or one that cannot be read.
    """
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        images = {name: entry["sha256"] for name, entry in manifest["images"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DatasetError(
            folder / MANIFEST, f"is no manifest of a test set ({error})", "Write the set again."
        ) from None
    problems = {}
    for name, checksum in images.items():
        try:
            found = np.ascontiguousarray(read(folder / name))
        except AdasrError as error:
            problems[name] = str(error)
        else:
            if hashlib.sha256(found.tobytes()).hexdigest() != checksum:
                problems[name] = "the pixels are not those of the manifest"
    return problems
