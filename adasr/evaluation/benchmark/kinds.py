"""Which test degradations the networks of a comparison have seen in training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

from ..results import BICUBIC, Model, RecipeInfo

Kind = Literal["seen", "unseen", "mixed", "real"]


def kind_of(families: Sequence[str], trained_on: Sequence[Sequence[str]]) -> Kind:
    """Whether networks know a degradation.

    Args:
        families: what it is made of.
        trained_on: what each network's training used.

    Returns:
        "seen" where every training used all of the families, "unseen" where each lacked at least
        one, "mixed" where networks differ. Downscaling alone is always seen.
    """
    knows = [set(families) <= set(used) for used in trained_on]
    if all(knows):
        return "seen"
    return "mixed" if any(knows) else "unseen"


def describe_recipes(
    recipes: Sequence[str],
    families_of: Callable[[str], tuple[str, ...]],
    models: Sequence[Model],
    presumed: tuple[str, ...],
    has_files: bool,
    tell: Callable[[str], None],
) -> list[RecipeInfo]:
    """The recipes of a benchmark, each with its kind.

    Args:
        recipes: names.
        families_of: what a recipe is made of.
        models: the networks.
        presumed: what networks are taken to be trained on whose files don't say.
        has_files: whether there are images that nothing degrades here, whose recipe is "".
        tell: takes lines for a person.
    """
    learned = [model for model in models if model.name != BICUBIC]
    silent = [model.name for model in learned if model.trained_on is None]
    if silent and recipes:
        tell(
            f"{', '.join(silent)}: the file does not say what it was trained on; degradations "
            "count as seen where Real-ESRGAN's training has them (--trained-on says otherwise)."
        )
    used = [presumed if m.trained_on is None else m.trained_on for m in learned]
    found = []
    for name in recipes:
        families = families_of(name)
        found.append(RecipeInfo(name, families, kind_of(families, used)))
    if has_files:
        found.append(RecipeInfo("", (), "real"))
    return found
