"""``--set key.path=value`` changes one option; a mistake names the argument."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from adasr.options import Options, OptionsFileError

Load = Callable[..., Options]


def test_an_override_wins_over_the_file_and_the_last_one_over_all(
    load: Load, train_yaml: str
) -> None:
    o = load(train_yaml, "train.total_iter=100", "name=other", "train.total_iter=2e2")
    assert (o.train.total_iter, o.name) == (200, "other")


def test_values_are_yaml(load: Load, train_yaml: str) -> None:
    o = load(
        train_yaml,
        "train.optim_g.type=Adam",
        "train.optim_g.lr=1e-4",
        "train.optim_g.betas=[0.9, 0.95]",
        "regularizer={type: AdaptiveDropout, p: 0.3}",
        "path.pretrain_network_g=a=b.pth",
        "train.scheduler=~",
        "logger.use_tb_logger=false",
    )
    assert o.train.optim_g.arguments == {"lr": 1e-4, "betas": (0.9, 0.95)}
    assert o.regularizer is not None
    assert o.regularizer.arguments == {"p": 0.3}
    assert str(o.path.pretrain_network_g) == "a=b.pth"
    assert not o.logger.use_tb_logger


def test_sections_are_made_and_taken_away(load: Load, train_yaml: str) -> None:
    text = f"{train_yaml}regularizer: {{type: AdaptiveDropout}}\n"
    assert load(text, "regularizer=none").regularizer is None
    assert load(text, "datasets.train=").datasets.train is None
    o = load(
        train_yaml,
        "datasets.val={type: DegradedFolder, dataroot_gt: x, recipe: clean}",
        "val.metrics.psnr.crop_border=4",
    )
    assert o.val is not None
    assert o.val.metrics["psnr"].arguments == {"crop_border": 4}


def test_items_of_a_list_can_be_changed(load: Load, train_yaml: str) -> None:
    text = train_yaml.replace("dataroot_gt: hr", "dataroot_gt: [a, b]")
    o = load(text, "datasets.train.dataroot_gt.1=c")
    assert o.datasets.train is not None
    assert o.datasets.train.arguments["dataroot_gt"] == ["a", "c"]


def test_a_shared_anchor_is_changed_in_one_place_only(load: Load) -> None:
    text = """\
name: x
scale: 4
network_g: {type: SRResNet}
datasets:
  val_a: &a {type: DegradedFolder, dataroot_gt: x, recipe: [clean, blur2]}
  val_b: *a
val: {metrics: {psnr: }}
"""
    o = load(text, "datasets.val_b.dataroot_gt=y", "datasets.val_b.recipe.0=jpeg50")
    assert o.validation_datasets["val_a"].arguments["dataroot_gt"] == "x"
    assert o.validation_datasets["val_a"].arguments["recipe"] == ["clean", "blur2"]
    assert o.validation_datasets["val_b"].arguments["recipe"] == ["jpeg50", "blur2"]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (
            "train.totl_iter=100",
            "--set train.totl_iter=100: train.totl_iter: there is no option 'totl_iter'. "
            "Did you mean 'total_iter'?",
        ),
        ("trian.total_iter=1", "there is no option 'trian'. Did you mean 'train'?"),
        ("train.total_iter=abc", "train.total_iter: expected a whole number, got 'abc'."),
        ("network_g.num_fet=3", "network_g.num_fet: arch 'SRResNet' has no option 'num_fet'."),
        ("network_g.type=SRResNt", "unknown arch 'SRResNt'. Did you mean 'SRResNet'?"),
        ("train.optim_g.lr=1", "train.optim_g: no 'type' says which optimizer."),
        ("train.total_iter.x=1", "train.total_iter: is 10 and has no options of its own."),
        ("train.total_iter", "is no key with a value. Write KEY=VALUE"),
        ("=3", "is no key with a value."),
        ("train..x=3", "is no key with a value."),
        ("name=[1", "name: is no YAML"),
        ("name={a: 1, a: 2}", "stands twice"),
        ("name=*", "name: is no YAML"),
        ("name=", "name: the option is missing."),
    ],
)
def test_a_mistake_names_the_argument(
    load: Load, train_yaml: str, override: str, message: str
) -> None:
    with pytest.raises(OptionsFileError) as caught:
        load(train_yaml, override)
    assert str(caught.value).startswith(f"--set {override}: ")
    assert message in str(caught.value)


def test_a_list_item_that_is_not_there_is_told(load: Load, train_yaml: str) -> None:
    text = train_yaml.replace("dataroot_gt: hr", "dataroot_gt: [a, b]")
    for part in ("2", "x", "-1"):
        with pytest.raises(OptionsFileError, match="is a list of 2, it has no item"):
            load(text, f"datasets.train.dataroot_gt.{part}=c")


def test_faults_of_the_file_keep_their_lines(load: Load, train_yaml: str) -> None:
    with pytest.raises(OptionsFileError) as caught:
        load(train_yaml.replace("gt_size", "gt_sise"), "datasets.train.use_rot=3")
    places = {fault.error.key[-1]: fault.place for fault in caught.value.faults}
    assert places == {
        "gt_sise": "o.yml:6",
        "gt_size": "o.yml:6",
        "use_rot": "--set datasets.train.use_rot=3",
    }
