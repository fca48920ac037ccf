"""Losses on features and losses on (SR, GT) each have their place."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from adasr.options import Options, OptionsFileError

pytestmark = pytest.mark.usefixtures("real_components")

Load = Callable[..., Options]
ALIGN = "train.align_opt={type: FeatureAlignment}"


def test_alignment_stands_beside_the_other_losses(load: Load, train_yaml: str) -> None:
    o = load(train_yaml, "train.align_opt={type: FeatureAlignment, loss_weight: 0.5}")
    assert o.train.align_opt is not None
    assert o.train.align_opt.arguments == {"loss_weight": 0.5}
    assert load(train_yaml).train.align_opt is None
    assert load(train_yaml, "train.align_opt=none").train.align_opt is None


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            ["train.pixel_opt={type: FeatureAlignment}"],
            "train.pixel_opt.type: FeatureAlignment compares features of two degradations, not SR "
            "with GT. Write it under train.align_opt.",
        ),
        (
            ["train.perceptual_opt={type: FeatureAlignment}"],
            "train.perceptual_opt.type: FeatureAlignment compares features",
        ),
        (
            ["train.align_opt={type: L1Loss}"],
            "train.align_opt.type: L1Loss compares SR with GT, not features of two degradations. "
            "Use FeatureAlignment",
        ),
        (
            [
                ALIGN,
                "degradation=~",
                "datasets.train={type: PairedFolder, dataroot_gt: a, dataroot_lq: b, gt_size: 128}",
            ],
            "train.align_opt: compares two degradations of each image, and there is no "
            "degradation. Use ImageFolder with",
        ),
        (
            [ALIGN, "datasets.train.batch_size_per_gpu=1"],
            "datasets.train.batch_size_per_gpu: align_opt centres features over a batch",
        ),
        (
            ["train.align_opt={type: FeatureAlignment, wieght: 1}"],
            "train.align_opt.wieght: loss 'FeatureAlignment' has no option 'wieght'.",
        ),
    ],
)
def test_a_wrong_place_is_told(
    load: Load, train_yaml: str, overrides: list[str], message: str
) -> None:
    with pytest.raises(OptionsFileError) as caught:
        load(train_yaml, *overrides)
    assert message in str(caught.value)
    assert len(caught.value.faults) == 1


def test_a_test_needs_no_degradation(load: Load, train_yaml: str) -> None:
    load(train_yaml, ALIGN, "degradation=~", "datasets={}")
