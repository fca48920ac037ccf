"""The discriminator's side of a training out of an option file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState

from adasr.compat import import_torchvision
from adasr.errors import OptionError, WeightsError
from adasr.options import Options, load_options
from adasr.registry import DISCRIMINATOR_REGISTRY
from adasr.training.adversarial import Adversary
from adasr.training.build import make_losses
from adasr.training.build_adversary import make_adversary
from adasr.weights import load_into

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = ["realesrgan_x4_gan", "srresnet_x4_adaptive_gan"]
TINY = {"type": "UNetDiscriminatorSN", "num_feat": 2}

MakeOptions = Callable[..., Options]


@pytest.fixture
def accelerator() -> Accelerator:
    AcceleratorState._reset_state()
    return Accelerator(cpu=True, mixed_precision="no")


def made(options: MakeOptions, accelerator: Accelerator, **changes: Any) -> Adversary:
    train = {"gan_opt": {"type": "GANLoss", "loss_weight": 0.1}, **changes.pop("train", {})}
    found = make_adversary(options(network_d=TINY, train=train, **changes), accelerator)
    assert found is not None
    return found


def test_there_is_none_without_a_discriminator(
    options: MakeOptions, accelerator: Accelerator
) -> None:
    assert make_adversary(options(), accelerator) is None


def test_every_option_arrives(options: MakeOptions, accelerator: Accelerator) -> None:
    train = {
        "optim_d": {"type": "AdamW", "lr": 3e-4},
        "net_d_iters": 2,
        "net_d_init_iters": 5,
    }
    found = made(options, accelerator, train=train)
    assert found.optimizer.param_groups[0]["lr"] == 3e-4
    assert isinstance(found.optimizer.optimizer, torch.optim.AdamW)  # type: ignore[attr-defined]
    assert [found.trains_generator(i) for i in (1, 2, 6, 7, 8)] == [0, 0, 1, 0, 1]
    assert found.loss.loss_weight == 0.1
    same = made(options, accelerator)  # without optim_d as optim_g
    assert same.optimizer.param_groups[0]["lr"] == 1e-3


def test_it_starts_from_weights(
    options: MakeOptions, accelerator: Accelerator, tmp_path: Path
) -> None:
    net = DISCRIMINATOR_REGISTRY.build(TINY)
    file = tmp_path / "net_d.pth"
    torch.save({"params": net.state_dict()}, file)  # as BasicSR writes it
    found = made(options, accelerator, path={"pretrain_network_d": str(file)})
    for key, value in net.state_dict().items():
        assert torch.equal(found.net.state_dict()[key], value), key
    wide = {"type": "UNetDiscriminatorSN", "num_feat": 4}
    torch.save(DISCRIMINATOR_REGISTRY.build(wide).state_dict(), file)
    with pytest.raises(WeightsError, match="does not fit UNetDiscriminatorSN with num_feat 2"):
        made(options, accelerator, path={"pretrain_network_d": str(file)})


def test_its_own_file_is_a_start(
    options: MakeOptions, accelerator: Accelerator, tmp_path: Path
) -> None:
    first = made(options, accelerator)
    first.update([(torch.rand(1, 3, 16, 16), torch.rand(1, 3, 16, 16))])
    file = tmp_path / "net_d_1.safetensors"
    first.save_weights(file, {"iteration": "1"})
    second = made(options, accelerator, path={"pretrain_network_d": str(file)})
    for key, value in first.net.state_dict().items():
        assert torch.equal(second.net.state_dict()[key], value), key


def test_a_discriminator_s_weights_are_no_generator_s(tmp_path: Path) -> None:
    from adasr.weights import build_network

    file = tmp_path / "net_d.pth"
    torch.save(DISCRIMINATOR_REGISTRY.build(TINY).state_dict(), file)
    with pytest.raises(WeightsError, match="weights of the discriminator UNetDiscriminatorSN"):
        load_into(build_network({"type": "SRResNet", "num_feat": 4, "num_block": 1}), file)


@pytest.mark.parametrize(
    ("network", "gt_size", "message"),
    [
        (TINY, 36, "gt_size 36: needs sides that are multiples of 8, got 36x36. Change gt_size"),
        ({"type": "VGGStyleDiscriminator", "num_feat": 2}, 32, "needs images of 128x128 pixels"),
    ],
)
def test_crops_that_it_cannot_judge_are_told_before_training(
    network: dict,
    gt_size: int,
    message: str,
    options: MakeOptions,
    accelerator: Accelerator,
    images: Path,
) -> None:
    train = {"type": "ImageFolder", "dataroot_gt": str(images), "gt_size": gt_size}
    checked = options(
        network_d=network, train={"gan_opt": {"type": "GANLoss"}}, datasets={"train": train}
    )
    with pytest.raises(OptionError, match=r"options.yml:\d+: network_d.type") as caught:
        make_adversary(checked, accelerator)
    assert message in str(caught.value)


def test_the_trial_leaves_no_trace(options: MakeOptions, accelerator: Accelerator) -> None:
    torch.manual_seed(4)
    plain = DISCRIMINATOR_REGISTRY.build(TINY).state_dict()
    torch.manual_seed(4)
    found = made(options, accelerator).net
    assert found.training
    for key, value in plain.items():
        assert torch.equal(found.state_dict()[key], value), key


def test_what_other_packages_have_is_tried(
    options: MakeOptions, accelerator: Accelerator, basicsr: ModuleType
) -> None:
    made(
        options, accelerator, train={"gan_opt": {"type": "MultiScaleGANLoss", "gan_type": "lsgan"}}
    )
    with pytest.raises(OptionError, match=r"gan_opt.type: WeightedTVLoss takes no discriminator's"):
        made(options, accelerator, train={"gan_opt": {"type": "WeightedTVLoss"}})
    images = {"type": "EDSR", "num_in_ch": 3, "num_out_ch": 3, "num_feat": 4, "num_block": 1}
    with pytest.raises(OptionError, match=r"network_d.type: EDSR does not judge images"):
        make_adversary(
            options(network_d=images, train={"gan_opt": {"type": "GANLoss"}}), accelerator
        )


@pytest.fixture(scope="module")
def vgg(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of VGG19's first convolutions."""
    import_torchvision()
    from torchvision.models import vgg

    layers = vgg.make_layers(vgg.cfgs["E"][:5])
    path = tmp_path_factory.mktemp("vgg") / "vgg19.pth"
    torch.save({f"features.{k}": v for k, v in layers.state_dict().items()}, path)
    return path


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_file_builds(name: str, vgg: Path, accelerator: Accelerator) -> None:
    perceptual = f"{{type: PerceptualLoss, layer_weights: {{conv2_2: 1}}, weights: {vgg}}}"
    overrides = ["network_d.num_feat=2", f"train.perceptual_opt={perceptual}"]
    options = load_options(ROOT / "options" / "train" / f"{name}.yml", overrides)
    assert make_adversary(options, accelerator) is not None
    assert set(make_losses(options)) == {"l_pix", "l_percep"}
