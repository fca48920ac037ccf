"""Test recipes by name, and what they and trainings are made of."""

from __future__ import annotations

from collections.abc import Sequence

from ...degradations.testset import FAMILIES, expand_recipes, find_recipe
from ...errors import OptionError, did_you_mean
from ..training_families import families_of_training


def expand(names: Sequence[str]) -> list[str]:
    """Recipes of names and groups.

    Raises:
        OptionError: an unknown one.
    """
    try:
        return expand_recipes(names)
    except OptionError as error:
        raise OptionError(error.message, ("--recipes",), error.hint) from None


def check_families(names: Sequence[str]) -> tuple[str, ...]:
    """Families as a person names them: ``motion-blur`` is "motion blur".

    Raises:
        OptionError: an unknown one.
    """
    found = []
    for name in names:
        plain = name.strip().lower().replace("-", " ").replace("_", " ")
        if plain not in FAMILIES:
            hint = did_you_mean(plain, FAMILIES)
            raise OptionError(f"unknown family '{name}'.", ("--trained-on",), hint)
        found.append(plain)
    return tuple(found)


def families_of(recipe: str) -> tuple[str, ...]:
    """What a recipe is made of."""
    return find_recipe(recipe).families


def presumed(scale: int) -> tuple[str, ...]:
    """What a network was trained on whose file does not say.

    Real-ESRGAN's degradations, which the papers of this field train with.
    """
    options = {"degradation": {"type": "RealESRGAN"}, "scale": scale}
    return families_of_training(options) or ()
