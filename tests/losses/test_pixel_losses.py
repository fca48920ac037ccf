"""Pixel losses against BasicSR's."""

from __future__ import annotations

import importlib.util

import pytest
import torch

from adasr.compat import import_basicsr
from adasr.errors import OptionError
from adasr.registry import LOSS_REGISTRY

NAMES = ["L1Loss", "MSELoss", "CharbonnierLoss"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("loss_weight", [1.0, 0.3])
def test_equals_basicsr_in_value_and_gradient(
    name: str, reduction: str, loss_weight: float
) -> None:
    if importlib.util.find_spec("basicsr") is None:
        pytest.skip("BasicSR is not installed")
    import_basicsr()
    from basicsr.losses import basic_loss

    options = {"loss_weight": loss_weight, "reduction": reduction}
    generator = torch.Generator().manual_seed(1)
    gt = torch.rand(2, 3, 9, 7, generator=generator)
    start = torch.rand(2, 3, 9, 7, generator=generator)
    values, gradients = [], []
    for loss in (
        LOSS_REGISTRY.build({"type": name, **options}),
        getattr(basic_loss, name)(**options),
    ):
        sr = start.clone().requires_grad_()
        value = loss(sr, gt)
        value.backward()
        values.append(value.item())
        gradients.append(sr.grad)
    assert values[0] == pytest.approx(values[1], rel=1e-6)
    torch.testing.assert_close(gradients[0], gradients[1], rtol=1e-5, atol=1e-7)


def test_charbonnier_follows_its_definition() -> None:
    loss = LOSS_REGISTRY.build({"type": "CharbonnierLoss", "eps": 0.25})
    zeros = torch.zeros(1, 3, 4, 4)
    assert loss(zeros, zeros).item() == pytest.approx(0.5)
    assert loss(zeros + 1, zeros).item() == pytest.approx(1.25**0.5)
    # Smooth at 0: the gradient of a perfect result is finite, and 0.
    sr = zeros.clone().requires_grad_()
    LOSS_REGISTRY.build({"type": "CharbonnierLoss"})(sr, zeros).backward()
    assert torch.equal(sr.grad, zeros)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("name", NAMES)
def test_low_precision_output_is_compared_in_float32(name: str) -> None:
    loss = LOSS_REGISTRY.build({"type": name})
    gt = torch.rand(1, 3, 8, 8)
    value = loss((gt + 0.1).bfloat16(), gt)
    assert value.dtype == torch.float32
    assert value.item() == pytest.approx(loss((gt + 0.1).bfloat16().float(), gt).item())


@pytest.mark.parametrize("name", NAMES)
def test_shapes_that_would_broadcast_are_refused(name: str) -> None:
    loss = LOSS_REGISTRY.build({"type": name})
    with pytest.raises(ValueError, match="differ in shape"):
        loss(torch.zeros(2, 3, 8, 8), torch.zeros(1, 3, 8, 8))


def test_options_are_checked() -> None:
    with pytest.raises(OptionError, match="loss_weight"):
        LOSS_REGISTRY.build({"type": "L1Loss", "loss_weight": -1})
    with pytest.raises(OptionError, match="eps"):
        LOSS_REGISTRY.build({"type": "CharbonnierLoss", "eps": 0})
    with pytest.raises(OptionError, match="reduction"):
        LOSS_REGISTRY.build({"type": "MSELoss", "reduction": "none"})
    with pytest.raises(OptionError, match="Did you mean 'L1Loss'"):
        LOSS_REGISTRY.build({"type": "L1los"})
