"""A discriminator, its loss and its optimizer: their places, and how other projects write them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from adasr.options import Options, OptionsFileError, check_paths, dump_options, load_options
from adasr.options.foreign import translate

FOLDER = Path(__file__).parent / "foreign"
GAN = ("network_d={type: UNetDiscriminatorSN}", "train.gan_opt={type: GANLoss, loss_weight: 0.1}")

pytestmark = pytest.mark.usefixtures("real_components")

Load = Callable[..., Options]


def faults(load: Load, train_yaml: str, *overrides: str) -> list[str]:
    with pytest.raises(OptionsFileError) as caught:
        load(train_yaml, *overrides)
    return str(caught.value).splitlines()


def test_a_discriminator_and_its_loss_come_together(load: Load, train_yaml: str) -> None:
    o = load(train_yaml, *GAN)
    assert o.network_d is not None and o.train.gan_opt is not None
    assert o.network_d.options == {"type": "UNetDiscriminatorSN"}
    assert o.train.optim_d is None  # as optim_g
    assert (o.train.net_d_iters, o.train.net_d_init_iters) == (1, 0)
    plain = load(train_yaml)
    assert (plain.network_d, plain.train.gan_opt) == (None, None)
    assert load(train_yaml, "network_d=none", "train.gan_opt=none").network_d is None


def test_they_are_written_out_and_read_again(load: Load, train_yaml: str, tmp_path: Path) -> None:
    o = load(train_yaml, *GAN, "train.optim_d={type: Adam, lr: 1e-4}", "train.net_d_iters=2")
    written = tmp_path / "again.yml"
    written.write_text(dump_options(o))
    again = load_options(written)
    assert dump_options(again) == written.read_text()
    assert again.network_d is not None
    assert again.network_d.arguments["num_feat"] == 64
    assert again.train.net_d_iters == 2


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (GAN[:1], "network_d: no loss trains it. Add e.g. train.gan_opt:"),
        (GAN[1:], "train.gan_opt: there is no discriminator. Add e.g. network_d:"),
        (
            ("train.optim_d={type: Adam}",),
            "train.optim_d: there is no discriminator. Add e.g. network_d:",
        ),
        (("train.gan_gt_usm=false",), "train.gan_gt_usm: there is no discriminator."),
        (("path.pretrain_network_d=d.pth",), "path.pretrain_network_d: there is no discriminator."),
        (
            ("train.pixel_opt={type: GANLoss}",),
            "train.pixel_opt.type: GANLoss compares what a discriminator says with what it should "
            "say, not SR with GT. Write it under train.gan_opt.",
        ),
        (
            (GAN[0], "train.gan_opt={type: L1Loss}"),
            "train.gan_opt.type: L1Loss compares SR with GT, not what a discriminator says with "
            "what it should say. Use GANLoss, or write it under train.pixel_opt",
        ),
        (
            (GAN[0], "train.gan_opt={type: FeatureAlignment}"),
            "Use GANLoss, or write it under train.align_opt.",
        ),
        (
            ("train.align_opt={type: GANLoss}",),
            "Use FeatureAlignment, or write it under train.gan_opt.",
        ),
        (
            ("network_g={type: UNetDiscriminatorSN}",),
            "network_g.type: 'UNetDiscriminatorSN' is a discriminator, not an arch. Known:",
        ),
        (
            ("network_d={type: SRResNet}", GAN[1]),
            "network_d.type: 'SRResNet' is an arch, not a discriminator. Known: "
            "UNetDiscriminatorSN, VGGStyleDiscriminator.",
        ),
        (
            (*GAN, "train.gan_opt.gan_type=vanila"),
            "train.gan_opt.gan_type: expected Literal['vanilla', 'lsgan', 'wgan', "
            "'wgan_softplus', 'hinge'], got 'vanila'.",
        ),
        (
            (*GAN, "network_d.num_fet=3"),
            "network_d.num_fet: discriminator 'UNetDiscriminatorSN' has no option 'num_fet'. Did "
            "you mean 'num_feat'?",
        ),
        ((*GAN, "train.net_d_iters=0"), "train.net_d_iters: must be above 0, got 0."),
        ((*GAN, "train.net_d_init_iters=-1"), "net_d_init_iters: must be at least 0, got -1."),
    ],
)
def test_a_mistake_is_told_once_with_its_remedy(
    load: Load, train_yaml: str, overrides: tuple[str, ...], message: str
) -> None:
    (line,) = faults(load, train_yaml, *overrides)
    assert message in line


def test_missing_weights_of_a_discriminator_are_told(load: Load, train_yaml: str) -> None:
    o = load(train_yaml, *GAN, "path.pretrain_network_d=d.pth", "datasets={}")
    with pytest.raises(OptionsFileError, match=r"path.pretrain_network_d: there is no file"):
        check_paths(o)
    check_paths(o, "test")  # which needs no discriminator


def foreign(name: str, *overrides: str) -> Options:
    return load_options(FOLDER / f"{name}.yml", overrides)


def told(name: str, *overrides: str) -> str:
    return "\n".join(foreign(name, *overrides).source.notes)


@pytest.mark.parametrize(
    ("name", "network", "relativistic", "weight"),
    [
        ("basicsr_srgan_x4", "VGGStyleDiscriminator", False, 5e-3),
        ("basicsr_esrgan_x4", "VGGStyleDiscriminator", True, 5e-3),
        ("realesrgan_x4plus", "UNetDiscriminatorSN", False, 0.1),
    ],
)
def test_the_files_of_basicsr_and_real_esrgan_are_taken(
    name: str, network: str, relativistic: bool, weight: float
) -> None:
    o = foreign(name)
    assert o.network_d is not None and o.train.gan_opt is not None and o.train.optim_d is not None
    assert o.network_d.type == network
    assert o.train.gan_opt.arguments.get("relativistic", False) == relativistic
    assert o.train.gan_opt.arguments["loss_weight"] == weight
    assert o.train.optim_d.arguments["lr"] == 1e-4
    assert o.train.perceptual_opt is not None and o.train.perceptual_opt.type == "PerceptualLoss"


def test_an_optimizer_has_the_defaults_of_its_project() -> None:
    optimizer = foreign("basicsr_srgan_x4").train.optim_d
    assert optimizer is not None and optimizer.arguments["betas"] == (0.9, 0.999)


@pytest.mark.parametrize("flags", [(True, True, False), (False, True, True), (False,) * 3])
def test_each_loss_has_the_gt_of_real_esrgan(flags: tuple[bool, ...]) -> None:
    names = ("l1_gt_usm", "percep_gt_usm", "gan_gt_usm")
    overrides = [f"{name}={flag}" for name, flag in zip(names, flags, strict=True)]
    o = foreign("realesrgan_x4plus", *overrides)
    assert (o.train.l1_gt_usm, o.train.percep_gt_usm, o.train.gan_gt_usm) == flags
    assert o.degradation is not None
    assert o.degradation.arguments.get("gt_usm", True)  # LQ is made of the sharpened GT anyway
    assert f"{', '.join(names)} -> train" in told("realesrgan_x4plus", *overrides)


def test_only_the_word_false_means_plain_gt() -> None:
    o = foreign("realesrgan_x4plus", "l1_gt_usm=~", "gan_gt_usm=0")
    assert (o.train.l1_gt_usm, o.train.gan_gt_usm) == (True, True)


def test_a_degradation_of_one_s_own_keeps_its_gt() -> None:
    own = "degradation={type: RealESRGANFirstOrder}"
    assert foreign("realesrgan_x4plus", own).train.gan_gt_usm is None
    assert "gan_gt_usm (the file's own degradation" in told("realesrgan_x4plus", own).replace(
        "l1_gt_usm, percep_gt_usm, ", ""
    )


def test_pairs_keep_their_gt() -> None:
    pairs = "{type: PairedImageDataset, dataroot_gt: a, dataroot_lq: b, gt_size: 256}"
    note = told("realesrgan_x4plus", "high_order_degradation=false", f"datasets.train={pairs}")
    assert "gan_gt_usm: false: the GT of pairs is taken as it is here, never sharpened." in note


def test_what_has_no_counterpart_is_refused_with_its_line() -> None:
    with pytest.raises(OptionsFileError) as caught:
        foreign("realesrgan_x4plus", "train.ldl_opt={type: L1Loss}")
    assert "train.ldl_opt: locally discriminative learning" in str(caught.value)
    with pytest.raises(OptionsFileError) as caught:
        foreign("basicsr_srgan_x4", "network_d=~", "train.gan_opt=~", "train.optim_d=~")
    (line,) = str(caught.value).splitlines()
    assert "basicsr_srgan_x4.yml:3: model_type: SRGANModel needs network_d and" in line
    assert "SRModel" in line


def test_a_relativistic_loss_may_be_switched_off() -> None:
    o = foreign("basicsr_esrgan_x4", "train.gan_opt.relativistic=false")
    assert o.train.gan_opt is not None
    assert o.train.gan_opt.arguments["relativistic"] is False


def test_a_test_of_a_generator_needs_no_discriminator() -> None:
    found = translate({"model_type": "SRGANModel", "network_d": {"type": "X"}, "gan_gt_usm": True})
    assert "network_d" not in found.options and "gan_gt_usm" not in found.options
    assert "network_d, gan_gt_usm (there is no discriminator)" in "\n".join(found.report)
