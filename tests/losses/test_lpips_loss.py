"""The perceptual loss: the metric's distance, differentiable, with frozen weights."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from adasr.compat import import_torchvision
from adasr.errors import OptionError, UnavailableError
from adasr.registry import LOSS_REGISTRY, METRIC_REGISTRY


@pytest.fixture(scope="module")
def options(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A SqueezeNet trunk from a file with torchvision's names."""
    import_torchvision()
    from torchvision.models import squeezenet1_1

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        state = squeezenet1_1(weights=None).state_dict()
    path = tmp_path_factory.mktemp("trunk") / "squeeze.pth"
    torch.save(state, path)
    return {"net": "squeeze", "weights": str(path)}


def test_is_the_weighted_mean_of_the_metric(options: dict[str, str]) -> None:
    loss = LOSS_REGISTRY.build({"type": "LPIPSLoss", "loss_weight": 0.5, **options})
    metric = METRIC_REGISTRY.build({"type": "lpips", "quantize": False, **options})
    sr, gt = torch.rand(2, 3, 40, 40), torch.rand(2, 3, 40, 40)
    expected = 0.5 * sum(metric(a, b) for a, b in zip(sr, gt, strict=True)) / 2
    assert loss(sr, gt).item() == pytest.approx(expected, rel=1e-5)


def test_teaches_the_network_and_not_itself(options: dict[str, str]) -> None:
    loss = LOSS_REGISTRY.build({"type": "LPIPSLoss", **options}).train()
    sr = torch.rand(1, 3, 40, 40, requires_grad=True)
    gt = torch.rand(1, 3, 40, 40)
    first = loss(sr, gt)
    first.backward()
    assert sr.grad is not None
    assert sr.grad.abs().sum() > 0
    assert list(loss.parameters()) == []
    assert loss.state_dict() == {}
    # The package's own dropout must stay off in training.
    assert loss(sr, gt).item() == first.item()


def test_is_computed_in_float32_under_autocast(options: dict[str, str]) -> None:
    loss = LOSS_REGISTRY.build({"type": "LPIPSLoss", **options})
    sr, gt = torch.rand(1, 3, 40, 40), torch.rand(1, 3, 40, 40)
    plain = loss(sr, gt)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert loss(sr, gt).item() == plain.item()


def test_refuses_what_it_cannot_compare(
    options: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loss = LOSS_REGISTRY.build({"type": "LPIPSLoss", **options})
    with pytest.raises(ValueError, match="differ in shape"):
        loss(torch.zeros(1, 3, 40, 40), torch.zeros(1, 3, 40, 44))
    with pytest.raises(OptionError, match="loss_weight"):
        LOSS_REGISTRY.build({"type": "LPIPSLoss", "loss_weight": -0.1, **options})

    def fail(*_: object, **__: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", fail)
    with pytest.raises(UnavailableError, match="vgg16-397923af"):
        LOSS_REGISTRY.build({"type": "LPIPSLoss"})
