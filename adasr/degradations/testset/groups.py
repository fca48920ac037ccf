"""All recipes, loaded, and the names that stand for several of them."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Sequence

from ...errors import OptionError, did_you_mean
from ..families import FAMILIES
from . import families
from .recipe import RECIPES as RECIPES
from .recipe import find_recipe as find_recipe

for _module in sorted(found.name for found in pkgutil.iter_modules(families.__path__)):
    importlib.import_module(f"{families.__name__}.{_module}")

STANDARD = (
    "clean",
    "blur2",
    "noise20",
    "jpeg50",
    "blur2_noise20",
    "blur2_jpeg50",
    "noise20_jpeg50",
    "blur2_noise20_jpeg50",
)
"""The eight of the papers."""

# The eight first and their other strengths next; families come in the order of their files.
_USUAL = {name for recipe in STANDARD for name in RECIPES[recipe].families}
_place = {name: i for i, name in enumerate(STANDARD)}
_sorted = sorted(
    RECIPES.items(),
    key=lambda item: (_place.get(item[0], len(STANDARD)), not _USUAL.issuperset(item[1].families)),
)
RECIPES.clear()
RECIPES.update(_sorted)


def _group_name(name: str) -> str:
    """As a command line has it: ``motion-blur``."""
    return name.strip().lower().replace(" ", "-").replace("_", "-")


def _make_groups() -> dict[str, tuple[str, ...]]:
    held_out = {name: r for name, r in RECIPES.items() if not _USUAL.issuperset(r.families)}
    groups = {
        "standard": STANDARD,
        "heldout": tuple(held_out),
        "mixed": tuple(name for name, recipe in held_out.items() if len(recipe.families) > 1),
        "resize": tuple(
            name
            for name, recipe in held_out.items()
            if (recipe.blur, recipe.noise, recipe.codec) == (None, None, None)
        ),
        "all": tuple(RECIPES),
    }
    for family in FAMILIES:
        members = tuple(name for name, recipe in RECIPES.items() if recipe.families == (family,))
        if members:
            groups[_group_name(family)] = members
    return groups


GROUPS: dict[str, tuple[str, ...]] = _make_groups()
"""``standard``: the eight of the papers; ``heldout``: all with a family that those lack; ``mixed``:
those of them with several families; ``resize``: all interpolations but the antialiased bicubic
one; ``all``; and the strengths of each family alone, e.g. ``motion-blur``."""


def expand_recipes(names: Sequence[str]) -> list[str]:
    """Recipes and groups as recipes, each once, in the order given.

    Raises:
        OptionError: a name that is neither; the message carries the nearest one.
    """
    found: dict[str, None] = {}
    for i, name in enumerate(names):
        if name in RECIPES:
            found[name] = None
        elif _group_name(name) in GROUPS:
            found.update(dict.fromkeys(GROUPS[_group_name(name)]))
        else:
            place = ("recipe", i) if len(names) > 1 else ("recipe",)
            hint = did_you_mean(name, [*RECIPES, *GROUPS])
            raise OptionError(f"unknown recipe or group '{name}'.", place, hint)
    return list(found)
