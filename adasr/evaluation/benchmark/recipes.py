"""Test recipes by name, and what they and trainings are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...degradations.testset import RECIPES, find_recipe

# Real-ESRGAN's training, which the papers of this field train with.
PRESUMED: tuple[str, ...] = ("gaussian blur", "gaussian noise", "jpeg")


def expand(names: Sequence[str]) -> list[str]:
    """Recipes of names and groups.

    Raises:
        OptionError: an unknown one.
    """
    if "all" in names or "standard" in names:
        return list(RECIPES)
    for name in names:
        find_recipe(name)
    return list(dict.fromkeys(names))


def families_of(recipe: str) -> tuple[str, ...]:
    """What a recipe is made of."""
    found = find_recipe(recipe)
    parts = {"gaussian blur": found.blur, "gaussian noise": found.noise, "jpeg": found.jpeg}
    return tuple(name for name, used in parts.items() if used)


def families_of_training(metadata: Mapping[str, str]) -> tuple[str, ...] | None:
    """What a network was trained on, by the metadata of its file."""
    return None
