"""The discriminators equal BasicSR's, and are no networks that make images."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from adasr.errors import OptionError
from adasr.registry import ARCH_REGISTRY, DISCRIMINATOR_REGISTRY
from adasr.weights import build_network

CASES = [
    ("UNetDiscriminatorSN", {"num_feat": 4}, 32),
    ("UNetDiscriminatorSN", {"num_feat": 4, "skip_connection": False}, 24),
    ("VGGStyleDiscriminator", {"num_feat": 2}, 128),
    ("VGGStyleDiscriminator", {"num_feat": 2, "input_size": 256}, 256),
]


def both(name: str, options: dict[str, Any]) -> tuple[nn.Module, nn.Module]:
    """Ours and BasicSR's with the same state."""
    from basicsr.archs import discriminator_arch

    theirs = getattr(discriminator_arch, name)(num_in_ch=3, **options)
    ours = DISCRIMINATOR_REGISTRY.build({"type": name, **options})
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict(theirs.state_dict())
    theirs.load_state_dict(ours.state_dict())  # and the way back
    return ours, theirs


@pytest.mark.parametrize(("name", "options", "side"), CASES)
@pytest.mark.parametrize("training", [True, False])
def test_equals_basicsr_with_the_same_state_dict(
    name: str, options: dict[str, Any], side: int, training: bool, basicsr: None
) -> None:
    ours, theirs = both(name, options)
    ours.train(training)
    theirs.train(training)
    images = torch.rand(2, 3, side, side)
    for _ in range(2):  # a step of the power iteration changes the next output
        torch.testing.assert_close(ours(images), theirs(images), rtol=0, atol=1e-6)
    for key, value in theirs.state_dict().items():
        torch.testing.assert_close(ours.state_dict()[key], value, msg=key)


@pytest.mark.parametrize(("name", "options", "side"), CASES)
def test_gradients_equal_basicsr(
    name: str, options: dict[str, Any], side: int, basicsr: None
) -> None:
    nets, images = both(name, options), torch.rand(2, 3, side, side)
    for net in nets:
        net(images).square().mean().backward()
    for ours, theirs in zip(*(net.parameters() for net in nets), strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-4, atol=1e-6)


def test_images_of_another_size_are_refused() -> None:
    unet = DISCRIMINATOR_REGISTRY.build({"type": "UNetDiscriminatorSN", "num_feat": 2})
    with pytest.raises(ValueError, match="multiples of 8, got 36x32"):
        unet(torch.zeros(1, 3, 32, 36))
    vgg = DISCRIMINATOR_REGISTRY.build({"type": "VGGStyleDiscriminator", "num_feat": 2})
    with pytest.raises(ValueError, match="128x128 pixels"):
        vgg(torch.zeros(1, 3, 64, 64))
    with pytest.raises(OptionError, match="input_size"):
        DISCRIMINATOR_REGISTRY.build({"type": "VGGStyleDiscriminator", "input_size": 64})


@pytest.mark.parametrize("name", DISCRIMINATOR_REGISTRY.names())
def test_a_discriminator_is_no_network_g(name: str) -> None:
    with pytest.raises(OptionError, match=f"'{name}' is a discriminator, not an arch"):
        build_network({"type": name})


def test_a_network_that_makes_images_is_no_discriminator() -> None:
    with pytest.raises(OptionError, match="'SRResNet' is an arch, not a discriminator"):
        DISCRIMINATOR_REGISTRY.build({"type": "SRResNet"})


def test_other_discriminators_of_basicsr_are_found(basicsr: None) -> None:
    assert "StyleGAN2Discriminator" in DISCRIMINATOR_REGISTRY.fallback_names()
    assert not any("Discriminator" in name for name in ARCH_REGISTRY.fallback_names())
    assert "UNetDiscriminatorSN" not in DISCRIMINATOR_REGISTRY.fallback_names()
    assert DISCRIMINATOR_REGISTRY.get("StyleGAN2Discriminator").__module__.startswith("basicsr.")
