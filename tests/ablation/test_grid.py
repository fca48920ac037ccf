"""Variants and axes become configurations with names one can read."""

from __future__ import annotations

from typing import Any

import pytest

from adasr.ablation.grid import Change, Variant, expand
from adasr.errors import OptionError


def where(key: tuple[str, ...]) -> str:
    return "/".join(key)


def made(variants: dict[str, Any] | None = None, grid: dict[str, Any] | None = None) -> list:
    return expand(variants or {}, grid or {}, where)


def told(variant: Variant) -> dict[str, Any]:
    return {".".join(change.key): change.value for change in variant.changes}


def test_axes_are_combined_and_the_last_one_is_fastest() -> None:
    found = made(grid={"regularizer.p": [0.3, 0.5], "regularizer.weight": [0, 0.5, 1]})
    assert [v.name for v in found] == [f"p{p}_weight{w}" for p in (0.3, 0.5) for w in (0, 0.5, 1)]
    assert told(found[4]) == {"regularizer.p": 0.5, "regularizer.weight": 0.5}
    assert found[4].settings == {"regularizer.p": "p0.5", "regularizer.weight": "weight0.5"}


def test_variants_stand_beside_the_grid_and_are_not_multiplied() -> None:
    found = made({"plain": None, "dropout": {"regularizer.p": 0.1}}, {"regularizer.p": [0.2]})
    assert [v.name for v in found] == ["plain", "dropout", "p0.2"]
    assert told(found[0]) == {}


def test_without_both_the_base_itself_is_trained() -> None:
    assert [v.name for v in made()] == ["base"]


def test_an_axis_may_name_its_values() -> None:
    grid = {
        "regularizer.sites": {"all": "default", "two": ["body.0.conv1", "body.1.conv1"]},
        "size": {"small": {"network_g.num_feat": 8}, "large": {"network_g": {"num_feat": 64}}},
    }
    found = made(grid=grid)
    assert [v.name for v in found] == ["all_small", "all_large", "two_small", "two_large"]
    assert told(found[3]) == {
        "regularizer.sites": ["body.0.conv1", "body.1.conv1"],
        "network_g.num_feat": 64,
    }


def test_an_axis_may_be_a_whole_section() -> None:
    found = made(grid={"regularizer": {"off": "none", "on": {"type": "ChannelDropout"}}})
    assert [told(v) for v in found] == [
        {"regularizer": "none"},
        {"regularizer": {"type": "ChannelDropout"}},
    ]


@pytest.mark.parametrize(
    ("values", "names"),
    [
        ([1, 2.0, 1e-4], ["key1", "key2.0", "key0.0001"]),
        ([True, None], ["key-true", "key-none"]),
        (["back_to_front", "body.*.conv1"], ["back_to_front", "body.-.conv1"]),
    ],
)
def test_values_make_names_that_folders_can_have(values: list, names: list[str]) -> None:
    assert [v.name for v in made(grid={"some.key": values})] == names


def test_two_axes_of_one_last_name_are_told_apart() -> None:
    (found,) = made(grid={"regularizer.p": [0.5], "degradation.p": [0.5]})
    assert found.name == "regularizer.p0.5_degradation.p0.5"


def test_a_section_is_merged_and_a_component_replaced() -> None:
    (found,) = made(
        {
            "a": {
                "train": {"optim_g": {"type": "AdamW"}, "total_iter": 5},
                "regularizer": {"p": 0.1, "schedule.interval": 3},
                "val": None,
            }
        }
    )
    assert told(found) == {
        "train.optim_g": {"type": "AdamW"},
        "train.total_iter": 5,
        "regularizer.p": 0.1,
        "regularizer.schedule.interval": 3,
        "val": None,
    }
    assert isinstance(found.changes[1], Change)
    assert found.changes[1].place == "variants/a/train/total_iter"


@pytest.mark.parametrize(
    ("variants", "grid", "key", "message"),
    [
        ({}, {"regularizer.p": []}, ("grid", "regularizer.p"), "has no values"),
        ({}, {"regularizer.sites": [["a", "b"]]}, ("grid", "regularizer.sites"), "needs a name"),
        ({}, {"rival": [1, 2]}, ("grid", "rival"), "needs a name and changes"),
        ({}, {"rival": {"a": 3}}, ("grid", "rival", "a"), "expected a mapping"),
        ({}, {"manual_seed": [1, 2]}, ("grid", "manual_seed"), "it comes from 'seeds'"),
        ({"a": {"path": {"experiments_root": "x"}}}, {}, None, "all runs stand in one folder"),
        ({"a": None, "A": {"scale": 2}}, {}, ("variants",), "two configurations are called"),
        ({"a/b": None}, {}, ("variants",), "names a folder"),
        ({"a": {"train..p": 1}}, {}, ("variants", "a", "train..p"), "is no option key"),
        ({}, {"x.p": [0.5, 0.50]}, ("grid",), "two configurations are called 'p0.5'"),
    ],
)
def test_what_cannot_be_meant_is_told(
    variants: dict, grid: dict, key: tuple[str, ...] | None, message: str
) -> None:
    with pytest.raises(OptionError, match=message) as fault:
        made(variants, grid)
    assert key is None or fault.value.key == key
