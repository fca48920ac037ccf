"""Seen and unseen."""

from __future__ import annotations

import pytest

from adasr.degradations.testset import GROUPS, RECIPES
from adasr.errors import OptionError
from adasr.evaluation.benchmark.kinds import describe_recipes, kind_of
from adasr.evaluation.benchmark.recipes import check_families, expand, families_of, presumed
from adasr.evaluation.results import Model

JPEG, MOTION = ("gaussian blur", "jpeg"), ("gaussian blur", "jpeg", "motion blur")


@pytest.mark.parametrize(
    ("families", "trainings", "kind"),
    [
        ((), [()], "seen"),
        (("jpeg",), [JPEG], "seen"),
        (("motion blur",), [JPEG], "unseen"),
        (("motion blur", "jpeg"), [JPEG], "unseen"),
        (("motion blur",), [JPEG, MOTION], "mixed"),
        (("motion blur",), [MOTION, MOTION], "seen"),
        (("jpeg",), [()], "unseen"),
    ],
)
def test_a_recipe_is_seen_where_every_training_had_all_of_it(
    families: tuple[str, ...], trainings: list[tuple[str, ...]], kind: str
) -> None:
    assert kind_of(families, trainings) == kind


def test_the_papers_eight_are_seen_by_real_esrgan_and_held_out_families_are_not() -> None:
    told: list[str] = []
    models = [Model("bicubic", "bicubic"), Model("net", "net")]
    found = describe_recipes(list(RECIPES), families_of, models, presumed(4), True, told.append)
    kinds = {recipe.name: recipe.kind for recipe in found}
    assert all(kinds[name] == "seen" for name in GROUPS["standard"])
    assert all(kinds[name] == "unseen" for name in ("motion15", "defocus4", "saltpepper6", "webp5"))
    assert kinds["poisson25"] == "seen"  # Real-ESRGAN has shot noise
    assert kinds[""] == "real"
    assert "net" in told[0]
    assert "--trained-on" in told[0]


def test_what_a_file_says_goes_before_what_is_presumed() -> None:
    told: list[str] = []
    models = [Model("bicubic", "bicubic"), Model("net", "net", trained_on=("motion blur",))]
    found = describe_recipes(
        ["motion15", "jpeg50"], families_of, models, presumed(4), False, told.append
    )
    assert [recipe.kind for recipe in found] == ["seen", "unseen"]
    assert not told


def test_unknown_names_are_told_with_the_nearest() -> None:
    with pytest.raises(OptionError, match=r"--recipes.*'blur2'"):
        expand(["blur22"])
    with pytest.raises(OptionError, match=r"--trained-on.*'motion blur'"):
        check_families(["motion-blurr"])
    assert check_families(["Motion-Blur", "jpeg"]) == ("motion blur", "jpeg")
    assert expand(["motion15", "motion-blur"])[0] == "motion15"
