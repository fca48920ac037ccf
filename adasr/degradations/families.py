"""Families of degradations: what a degradation is made of, whatever its strength.

A test degradation is "seen" by a network whose training had all of its families, and "unseen"
otherwise. Downscaling alone, antialiased and bicubic, is what every network is asked to undo: it
counts for no family in test sets.
"""

from __future__ import annotations

from collections.abc import Iterable

FAMILIES: dict[str, str] = {}
"""Every family by name, with a line for people."""


def family(name: str, about: str) -> str:
    """Enter a family; its name."""
    FAMILIES[name] = about
    return name


GAUSSIAN_BLUR = family("gaussian blur", "a Gaussian, isotropic or not")
GENERALIZED_BLUR = family("generalized gaussian blur", "flatter or more pointed than a Gaussian")
PLATEAU_BLUR = family("plateau blur", "kernels with a flat top")
SINC = family("sinc", "low-pass filters that ring")
MOTION_BLUR = family("motion blur", "the path of a moving camera or object")
DEFOCUS = family("defocus", "the disc of a lens out of focus")
SHARPENING = family("sharpening", "halos of unsharp masking")
BICUBIC = family("bicubic resize", "bicubic, as wide as the new pixels")
ALIASED_BICUBIC = family("aliased bicubic resize", "bicubic between the nearest four pixels")
BILINEAR = family("bilinear resize", "bilinear")
AREA = family("area resize", "means of areas")
NEAREST = family("nearest resize", "every s-th pixel")
LANCZOS = family("lanczos resize", "a windowed sinc with three lobes")
GAUSSIAN_NOISE = family("gaussian noise", "normal noise of one strength everywhere")
POISSON_NOISE = family("poisson noise", "shot noise: its variance grows with the intensity")
CAMERA_NOISE = family("camera noise", "shot and read noise in linear light")
SPECKLE = family("speckle", "noise that multiplies the image")
SALT_AND_PEPPER = family("salt and pepper", "single pixels that are black or white")
JPEG = family("jpeg", "JPEG compression")
JPEG2000 = family("jpeg2000", "JPEG 2000 compression")
WEBP = family("webp", "lossy WebP compression")

RESIZES = {
    "area": AREA,
    "bilinear": BILINEAR,
    "bicubic": ALIASED_BICUBIC,
    "bicubic_antialias": BICUBIC,
    "nearest": NEAREST,
}
"""The families of interpolations by the names that options have for them."""


def union(*parts: Iterable[str]) -> tuple[str, ...]:
    """Each family once, in order of first appearance."""
    return tuple(dict.fromkeys(name for part in parts for name in part))
