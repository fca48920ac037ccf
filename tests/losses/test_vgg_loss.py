"""The perceptual loss on VGG features against BasicSR's, with weights that are random but equal."""

from __future__ import annotations

import urllib.error
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from adasr.compat import import_torchvision
from adasr.errors import OptionError, UnavailableError, WeightsError
from adasr.losses.vgg import layer_names
from adasr.registry import LOSS_REGISTRY

LAYERS = {"conv1_2": 0.1, "conv2_2": 0.1, "relu2_2": 0.5, "pool2": 1.0}


def save_features(vgg_type: str, path: Path) -> Path:
    """The first blocks of torchvision's network, under its keys."""
    import_torchvision()
    from torchvision.models import vgg

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        letter = {"vgg16": "D", "vgg19": "E"}[vgg_type.removesuffix("_bn")]
        layers = vgg.make_layers(vgg.cfgs[letter][:6], batch_norm=vgg_type.endswith("_bn"))
    for module in layers:
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.uniform_(-0.1, 0.1)
            module.running_var.uniform_(0.5, 2.0)
    torch.save({f"features.{k}": v for k, v in layers.state_dict().items()}, path)
    return path


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_features("vgg19", tmp_path_factory.mktemp("vgg") / "vgg19.pth")


def ours(weights: Path, **options: Any) -> Any:
    return LOSS_REGISTRY.build(
        {"type": "PerceptualLoss", "layer_weights": LAYERS, "weights": str(weights), **options}
    )


def theirs(weights: Path, monkeypatch: pytest.MonkeyPatch, **options: Any) -> Any:
    """BasicSR's loss; it finds a network with our weights where it would download one."""
    from basicsr.archs import vgg_arch
    from basicsr.losses.basic_loss import PerceptualLoss
    from torchvision.models import vgg

    vgg_type = options.get("vgg_type", "vgg19")
    letter = {"vgg16": "D", "vgg19": "E"}[vgg_type.removesuffix("_bn")]
    layers = vgg.make_layers(vgg.cfgs[letter][:6], batch_norm=vgg_type.endswith("_bn"))
    state = torch.load(weights, weights_only=True)
    layers.load_state_dict({k.removeprefix("features."): v for k, v in state.items()})
    found = torch.nn.Module()
    found.features = layers
    monkeypatch.setattr(vgg_arch, "VGG_PRETRAIN_PATH", "nowhere")
    monkeypatch.setattr(vgg_arch.vgg, vgg_type, lambda pretrained: found)
    return PerceptualLoss(LAYERS, **options)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"criterion": "fro", "style_weight": 0.3},
        {"style_weight": 20.0, "perceptual_weight": 0.5},
        {"perceptual_weight": 0.0, "style_weight": 1.0},
        {"use_input_norm": False, "range_norm": True},
        {"vgg_type": "vgg16"},
        {"vgg_type": "vgg19_bn"},
    ],
    ids=str,
)
def test_equals_basicsr_in_value_and_gradient(
    options: dict, tmp_path: Path, basicsr: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = save_features(options.get("vgg_type", "vgg19"), tmp_path / "vgg.pth")
    gt, start = torch.rand(2, 3, 24, 20), torch.rand(2, 3, 24, 20)
    values, gradients = [], []
    for loss in (ours(weights, **options), theirs(weights, monkeypatch, **options)):
        sr = start.clone().requires_grad_()
        parts = loss(sr, gt)
        torch.stack([part for part in parts if part is not None]).sum().backward()
        values.append([None if part is None else part.detach() for part in parts])
        gradients.append(sr.grad)
    for found, expected in zip(*values, strict=True):
        assert (found is None) == (expected is None)
        if found is not None:
            torch.testing.assert_close(found, expected)
    torch.testing.assert_close(gradients[0], gradients[1], rtol=1e-4, atol=1e-8)


def test_layers_are_called_as_in_basicsr(basicsr: ModuleType) -> None:
    from basicsr.archs.vgg_arch import NAMES, insert_bn

    for name, layers in NAMES.items():
        assert layer_names(name) == layers
        assert layer_names(f"{name}_bn") == insert_bn(layers)


def test_teaches_the_generator_and_not_itself(weights: Path) -> None:
    loss = ours(weights).train()
    assert not any(module.training for module in loss.modules())
    sr = torch.rand(1, 3, 16, 16, requires_grad=True)
    gt = torch.rand(1, 3, 16, 16, requires_grad=True)
    perceptual, style = loss(sr, gt)
    perceptual.backward()
    assert style is None
    assert sr.grad is not None and sr.grad.abs().sum() > 0
    assert gt.grad is None
    assert all(not p.requires_grad and p.grad is None for p in loss.parameters())


def test_building_draws_no_random_numbers(weights: Path) -> None:
    before = torch.get_rng_state()
    ours(weights)
    assert torch.equal(torch.get_rng_state(), before)


def test_missing_weights_are_told_with_their_place(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise urllib.error.URLError("no network")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    monkeypatch.setattr(torch.hub, "download_url_to_file", fail)
    options = {"type": "PerceptualLoss", "layer_weights": LAYERS}
    with pytest.raises(UnavailableError) as caught:
        LOSS_REGISTRY.build(options)
    assert str(tmp_path / "hub" / "checkpoints" / "vgg19-dcbb9e9d.pth") in str(caught.value)
    assert "'weights'" in str(caught.value)
    place = tmp_path / "experiments" / "pretrained_models" / "vgg19-dcbb9e9d.pth"
    place.parent.mkdir(parents=True)
    place.write_bytes(weights.read_bytes())
    LOSS_REGISTRY.build(options)  # where BasicSR's users have it


def test_what_does_not_fit_is_refused(weights: Path, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"no layer 'conv5_5'\. Did you mean"):
        ours(weights, layer_weights={"conv5_5": 1.0})
    with pytest.raises(OptionError, match="vgg13 has no layer 'conv3_4'"):
        ours(weights, vgg_type="vgg13", layer_weights={"conv3_4": 1.0})
    with pytest.raises(OptionError, match="names no layer"):
        ours(weights, layer_weights={})
    with pytest.raises(OptionError, match=r"layer_weights.conv1_2: must be finite"):
        ours(weights, layer_weights={"conv1_2": -1.0})
    with pytest.raises(OptionError, match="is 0, and style_weight too"):
        ours(weights, perceptual_weight=0.0)
    with pytest.raises(WeightsError, match=r"not torchvision's ImageNet network of vgg19_bn.*'fea"):
        ours(weights, vgg_type="vgg19_bn")
    with pytest.raises(WeightsError, match="is not there"):
        ours(tmp_path / "none.pth")
    with pytest.raises(ValueError, match="differ in shape"):
        ours(weights)(torch.zeros(1, 3, 16, 16), torch.zeros(1, 3, 16, 20))
