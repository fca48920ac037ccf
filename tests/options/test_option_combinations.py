"""Options that are right alone and wrong together are refused at the door."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from adasr.options import Options, OptionsFileError

Load = Callable[..., Options]

PAIRS = "{type: PairedFolder, dataroot_gt: a, dataroot_lq: b, gt_size: 128}"
VAL = "datasets.val={type: DegradedFolder, dataroot_gt: x, recipe: clean}"
METRIC = "val.metrics.psnr="


def test_upscale_comes_from_scale(load: Load, train_yaml: str) -> None:
    assert load(train_yaml, "scale=2").network_g.arguments["upscale"] == 2
    assert load(train_yaml, "network_g.upscale=4").network_g.arguments["upscale"] == 4
    assert load(train_yaml, "network_g={type: FixedNet}").network_g.arguments == {}


def test_a_training_on_pairs_needs_no_degradation(load: Load, train_yaml: str) -> None:
    o = load(train_yaml, f"datasets.train={PAIRS}", "degradation=~")
    o.require_train()


@pytest.mark.parametrize(
    ("overrides", "place", "message"),
    [
        (
            ["network_g.upscale=2"],
            "--set network_g.upscale=2",
            "network_g.upscale: is 2, but scale is 4. Leave it out",
        ),
        (
            ["datasets.train.gt_size=130"],
            "--set datasets.train.gt_size=130",
            "datasets.train.gt_size: 130 is no multiple of the scale 4. Use e.g. 128.",
        ),
        (["scale=3"], "o.yml:6", "128 is no multiple of the scale 3. Use e.g. 129."),
        (["datasets.train.gt_size=0"], "--set", "must be above 0, got 0."),
        (
            ["degradation=none"],
            "o.yml:6",
            "datasets.train: ImageFolder has no LQ images; a degradation makes them.",
        ),
        (
            [f"datasets.train={PAIRS}"],
            "o.yml:4",
            "degradation: PairedFolder brings its own LQ images. Remove the degradation",
        ),
        (
            [f"datasets.train={PAIRS.replace(', gt_size: 128', '')}", "degradation=~"],
            "--set datasets.train=",
            "datasets.train.gt_size: training needs crops of one size.",
        ),
        (
            ["datasets.train={type: DegradedFolder, dataroot_gt: x, recipe: clean}"],
            "--set",
            "DegradedFolder is a test set of whole images.",
        ),
        ([VAL], "--set datasets.val=", "datasets.val: no 'val' section says how to score it."),
        ([METRIC], "--set val.metrics.psnr=", "val: there is no dataset to score."),
        (
            [METRIC, "datasets.val={type: ImageFolder, dataroot_gt: x, gt_size: 4}"],
            "--set",
            "datasets.val.type: ImageFolder has no LQ images to score.",
        ),
        (
            [METRIC, f"datasets.val={PAIRS}"],
            "--set",
            "datasets.val.gt_size: whole images are scored, not crops.",
        ),
        ([f"datasets.va/l={PAIRS}"], "--set", "a dataset is called train, or starts with val or"),
        ([f"datasets.val/x={PAIRS}"], "--set", "datasets.val/x: names a folder"),
        ([f"datasets.set5={PAIRS}"], "--set", "E.g. 'val_set5'."),
    ],
)
def test_a_contradiction_is_told(
    load: Load, train_yaml: str, overrides: list[str], place: str, message: str
) -> None:
    with pytest.raises(OptionsFileError) as caught:
        load(train_yaml, *overrides)
    assert message in str(caught.value)
    assert str(caught.value).startswith(place)


def test_validation_needs_a_dataset_and_a_metric_and_nothing_else(
    load: Load, train_yaml: str
) -> None:
    o = load(train_yaml, VAL, METRIC)
    assert list(o.validation_datasets) == ["val"]
    assert list(o.test_datasets) == ["val"]  # without test sets those of the validation serve


def test_what_a_training_lacks_is_told(load: Load) -> None:
    o = load("name: x\nscale: 4\nnetwork_g: {type: SRResNet}\ntrain: {ema_decay: 0.9}\n")
    with pytest.raises(OptionsFileError) as caught:
        o.require_train()
    lines = str(caught.value).splitlines()
    assert lines[0].startswith("o.yml: datasets.train: there is no training set.")
    assert lines[1].startswith("o.yml:4: train.total_iter: the option is missing.")


def test_what_a_test_lacks_is_told(load: Load) -> None:
    o = load("name: x\nscale: 4\nnetwork_g: {type: SRResNet}\n")
    with pytest.raises(OptionsFileError) as caught:
        o.require_test()
    keys = [".".join(map(str, f.error.key)) for f in caught.value.faults]
    assert keys == ["datasets", "val", "path.pretrain_network_g"]
