"""The adversarial loss against BasicSR's."""

from __future__ import annotations

from types import ModuleType

import pytest
import torch

from adasr.errors import OptionError
from adasr.registry import LOSS_REGISTRY

TYPES = ["vanilla", "lsgan", "wgan", "wgan_softplus", "hinge"]


@pytest.mark.parametrize("gan_type", TYPES)
@pytest.mark.parametrize("is_disc", [False, True])
@pytest.mark.parametrize("real", [False, True])
def test_equals_basicsr_in_value_and_gradient(
    gan_type: str, is_disc: bool, real: bool, basicsr: ModuleType
) -> None:
    from basicsr.losses.gan_loss import GANLoss

    options = {
        "gan_type": gan_type,
        "real_label_val": 0.9,
        "fake_label_val": 0.1,
        "loss_weight": 0.3,
    }
    start, values, gradients = 3 * torch.randn(2, 1, 5, 4), [], []
    for loss in (LOSS_REGISTRY.build({"type": "GANLoss", **options}), GANLoss(**options)):
        pred = start.clone().requires_grad_()
        value = loss(pred, real, is_disc=is_disc)
        value.backward()
        values.append(value.detach())
        gradients.append(pred.grad)
    torch.testing.assert_close(values[0], values[1])
    torch.testing.assert_close(gradients[0], gradients[1])


def test_unusable_options_are_refused() -> None:
    with pytest.raises(OptionError, match="gan_type"):
        LOSS_REGISTRY.build({"type": "GANLoss", "gan_type": "vanila"})
    with pytest.raises(OptionError, match="loss_weight"):
        LOSS_REGISTRY.build({"type": "GANLoss", "loss_weight": -1.0})
