"""What a recipe is: at most one step of each kind, in the order blur, downscaling, noise, codec.

Every step computes in whole numbers, or in IEEE arithmetic without a choice of order, so that
machines agree on every pixel; random numbers come from ``RandomState``, NumPy's one generator whose
stream is frozen for good.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from PIL import Image

from ...errors import OptionError, did_you_mean
from ..families import union

Blur = Callable[[np.ndarray, np.random.RandomState], np.ndarray]  # GT
Downscaling = Callable[[np.ndarray, int], np.ndarray]  # (image, scale)
Noise = Callable[[np.ndarray, np.random.RandomState], np.ndarray]  # LQ
Codec = Callable[[np.ndarray], np.ndarray]

RECIPES: dict[str, Recipe] = {}
"""Every recipe by name."""


@dataclass(frozen=True)
class Bicubic:
    """Antialiased bicubic downscaling (Pillow's)."""

    libraries = ("pillow",)

    def __call__(self, image: np.ndarray, scale: int) -> np.ndarray:
        """(H, W, 3) to (H / scale, W / scale, 3)."""
        return pillow_resized(image, scale, Image.Resampling.BICUBIC)


def pillow_resized(image: np.ndarray, scale: int, kind: Image.Resampling) -> np.ndarray:
    """An (H, W, 3) uint8 image with sides ``scale`` times shorter."""
    size = (image.shape[1] // scale, image.shape[0] // scale)
    return np.asarray(Image.fromarray(image).resize(size, kind))


@dataclass(frozen=True)
class Recipe:
    """A fixed degradation. Images are (H, W, 3) uint8 all the way.

    Attributes:
        families: what it is made of, out of ``FAMILIES``; none for downscaling alone.
        strength: in words, e.g. "sigma 2 px".
        imitates: what in the world it stands for.
        source: where the kind and the strength come from.
        blur: acts on the GT.
        downscaling: takes the GT to the LQ size; left out at scale 1.
        noise: acts on the LQ.
        codec: compresses the LQ.
        version: counted up when the same name comes to mean other pixels.
    """

    families: tuple[str, ...] = ()
    strength: str = ""
    imitates: str = ""
    source: str = ""
    blur: Blur | None = None
    downscaling: Downscaling = field(default_factory=Bicubic)
    noise: Noise | None = None
    codec: Codec | None = None
    version: int = 1

    @property
    def libraries(self) -> tuple[str, ...]:
        """The libraries on whose version its pixels may depend."""
        steps = (self.blur, self.downscaling, self.noise, self.codec)
        return union(*(getattr(step, "libraries", ()) for step in steps))


def add(name: str, recipe: Recipe) -> None:
    """Enter a recipe.

    Raises:
        ValueError: the name is taken.
    """
    if name in RECIPES:
        raise ValueError(f"there are two recipes '{name}'")
    RECIPES[name] = recipe


def mix(*names: str, imitates: str = "", source: str = "") -> None:
    """Enter the recipe that has the steps of several others, called by all their names.

    Raises:
        ValueError: two of them have a step of one kind.
    """
    parts = [RECIPES[name] for name in names]
    steps: dict[str, Any] = {}
    for part in parts:
        for kind in ("blur", "downscaling", "noise", "codec"):
            step = getattr(part, kind)
            if step is None or step == Bicubic():
                continue
            if kind in steps:
                raise ValueError(f"{', '.join(names)} have two steps of the kind {kind}")
            steps[kind] = step
    recipe = Recipe(
        union(*(part.families for part in parts)),
        ", ".join(part.strength for part in parts),
        imitates,
        source,
        version=max(part.version for part in parts),
        **steps,
    )
    add("_".join(names), recipe)


def find_recipe(name: str) -> Recipe:
    """The recipe called ``name``.

    Raises:
        OptionError: there is none; the message carries the nearest name.
    """
    if name not in RECIPES:
        raise OptionError(f"unknown recipe '{name}'.", ("recipe",), did_you_mean(name, RECIPES))
    return RECIPES[name]


def random_stream(key: str) -> np.random.RandomState:
    """Random numbers that hang on ``key`` alone."""
    return np.random.RandomState(np.frombuffer(hashlib.sha256(key.encode()).digest(), "<u4"))


def random_words(random: np.random.RandomState, shape: tuple[int, ...]) -> np.ndarray:
    """Random integers in [0, 2^32), uint32."""
    data = random.bytes(4 * int(np.prod(shape)))
    return np.frombuffer(data, "<u4").reshape(shape)
