"""Every run of an ablation, with checked options, before anything is trained."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from adasr.ablation.plan import read_ablation
from adasr.ablation.schema import ablation_schema
from adasr.errors import OptionError
from adasr.options import load_options
from adasr.options.yaml_text import parse
from adasr.training.build import align, make_degradation, pairs_of, regularize
from adasr.weights import build_network

Write = Callable[..., Path]
SHIPPED = Path(__file__).resolve().parents[2] / "options" / "ablation"


def test_runs_differ_by_variant_and_seed_alone(ablation: Write, base: dict[str, Any]) -> None:
    found = read_ablation(ablation())
    assert [run.name for run in found.runs] == ["plain_s0", "plain_s1", "dropout_s0", "dropout_s1"]
    assert [run.options.manual_seed for run in found.runs] == [0, 1, 0, 1]
    for run in found.runs:
        assert run.options.name == run.name
        assert run.folder.parent == found.root == Path(base["path"]["experiments_root"]) / "study"
        assert (run.options.regularizer is None) == (run.variant.name == "plain")
        assert run.options.train.total_iter == 4


def test_the_base_may_be_a_file_beside_it(ablation: Write, recipe: Write, tmp_path: Path) -> None:
    written = recipe()  # options.yml in the same folder
    found = read_ablation(ablation(base=written.name, variants=None, seeds=[3]))
    (run,) = found.runs
    wanted = load_options(written)
    assert run.name == "base_s3"
    assert run.options.train == wanted.train
    assert run.options.regularizer == wanted.regularizer
    with pytest.raises(OptionError, match=r"base: .*no such file.*Did you mean 'options.yml'"):
        read_ablation(ablation(base="option.yml"))


def test_set_is_below_the_variants_and_above_the_base(ablation: Write) -> None:
    path = ablation(
        set={"train": {"total_iter": 7}, "scale": 4},
        variants={"short": {"train.total_iter": 2}, "long": {"network_g.num_feat": 8}},
    )
    found = read_ablation(path, ["train.total_iter=9"])
    assert [run.options.train.total_iter for run in found.runs] == [2, 2, 9, 9]
    assert found.runs[0].options.scale == 4
    assert found.runs[0].options.network_g.arguments["upscale"] == 4


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seeds": [1, 2, 1]}, r"study.yml:\d+: seeds: 1 stands twice"),
        ({"seeds": []}, r"seeds: "),
        ({"variant": {}}, r"study.yml:\d+: variant: there is no option .*Did you mean 'variants'"),
        ({"base": 3}, "base: expected an option YAML's path"),
        (
            {"variants": {"a": {"train": {"total_itr": 3}}}},
            r"variant 'a': .*study.yml:\d+: train.total_itr: .*Did you mean 'total_iter'",
        ),
        ({"variants": {"a": None, "b": {"train.total_iter": 4}}}, "'a' and 'b' have the same"),
        ({"grid": {"scale": [2, 4]}, "variants": None}, "several scales cannot be compared"),
        ({"benchmark": {"data": []}}, "benchmark.data: "),
        (
            {"benchmark": {"data": ["x"], "weights": "best"}},
            r"study.yml:\d+: benchmark.weights: 'plain' is not validated",
        ),
    ],
)
def test_what_is_wrong_is_told_with_its_place(
    ablation: Write, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(OptionError, match=message):
        read_ablation(ablation(**changes))


@pytest.mark.parametrize("file", sorted(SHIPPED.glob("*.yml")), ids=lambda file: file.stem)
def test_the_shipped_files_are_right(file: Path) -> None:
    found = read_ablation(file)
    assert found.name == file.stem
    assert found.benchmark is not None
    assert len({run.seed for run in found.runs}) >= 2
    for run in {run.variant.name: run for run in found.runs}.values():
        # The network and what acts on it; the data need not be here.
        net = build_network(run.options.network_g.options)
        regularize(net, run.options)
        align(run.options, net, pairs_of(make_degradation(run.options), _Crops()))


class _Crops:
    gt_size = 64


def test_the_shipped_rivals_are_the_same_in_small_and_large() -> None:
    small, large = (read_ablation(SHIPPED / f"{name}.yml") for name in ("rivals_small", "rivals"))
    names = ["plain", "channel_dropout", "alignment", "adaptive_explicit", "adaptive_implicit"]
    assert [v.name for v in small.variants] == [v.name for v in large.variants] == names
    for one in (small, large):
        # An iteration of each costs the same: as many images pass through the network.
        sizes = {
            run.options.datasets.train.batch_size_per_gpu
            * (2 if run.options.train.align_opt else 1)
            for run in one.runs
            if run.options.datasets.train
        }
        assert len(sizes) == 1


def test_an_editor_accepts_the_shipped_files() -> None:
    jsonschema = pytest.importorskip("jsonschema")
    validator = jsonschema.Draft7Validator(ablation_schema())
    for file in SHIPPED.glob("*.yml"):
        mapping = parse(file.read_text("utf-8"))[0]
        assert not [error.message for error in validator.iter_errors(mapping)], file
        wrong = {**mapping, "seed": 3}
        assert [error.message for error in validator.iter_errors(wrong)]


def test_the_shipped_schema_is_up_to_date() -> None:
    held = SHIPPED.parent / "ablation.schema.json"
    assert json.loads(held.read_text("utf-8")) == ablation_schema(), (
        "run: adasr schema --ablation -o options/ablation.schema.json"
    )
