"""LPIPS: the package's own values with given weights, and never a score without real ones."""

from __future__ import annotations

import math
import urllib.error
from pathlib import Path

import pytest
import torch

from adasr.compat import import_torchvision
from adasr.errors import OptionError, UnavailableError, WeightsError
from adasr.metrics import MetricError
from adasr.metrics.lpips_network import _FILES, load_lpips
from adasr.registry import METRIC_REGISTRY


@pytest.fixture(scope="module")
def trunk_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights with torchvision's names and shapes for SqueezeNet, the smallest trunk."""
    import_torchvision()
    from torchvision.models import squeezenet1_1

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        state = squeezenet1_1(weights=None).state_dict()
    path = tmp_path_factory.mktemp("trunk") / "squeeze.pth"
    torch.save(state, path)
    return path


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine with an empty torch hub cache and no network."""

    def fail(*_: object, **__: object) -> None:
        raise urllib.error.URLError("no network")

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    monkeypatch.setattr(torch.hub, "download_url_to_file", fail)
    return tmp_path / "hub" / "checkpoints"


def test_equals_the_lpips_package(trunk_file: Path) -> None:
    import lpips
    from torchvision.models import squeezenet1_1

    reference = lpips.LPIPS(net="squeeze", pnet_rand=True, verbose=False).eval()
    features = squeezenet1_1(weights=None)
    features.load_state_dict(torch.load(trunk_file, weights_only=True))
    for i, end in enumerate((2, 5, 8, 10, 11, 12, 13)):
        start = (0, 2, 5, 8, 10, 11, 12)[i]
        ours = getattr(reference.net, f"slice{i + 1}")
        ours.load_state_dict(
            {
                key.removeprefix("features."): value
                for key, value in features.state_dict().items()
                if key.startswith("features.") and start <= int(key.split(".")[1]) < end
            }
        )
    gt = torch.rand(3, 50, 60).mul(255).round().div(255)
    sr = (gt + 0.1 * torch.randn(3, 50, 60)).clamp(0, 1).mul(255).round().div(255)
    metric = METRIC_REGISTRY.build(
        {
            "type": "lpips",
            "net": "squeeze",
            "weights": str(trunk_file),
            "crop_border": 4,
        }
    )
    inside = (slice(None), slice(4, -4), slice(4, -4))
    with torch.no_grad():
        expected = reference(2 * sr[inside][None] - 1, 2 * gt[inside][None] - 1).item()
    assert expected > 0
    assert metric(sr, gt) == pytest.approx(expected, abs=1e-6)
    assert metric(gt, gt) == 0
    assert not metric.higher_is_better


def test_protocol_names_the_weights(trunk_file: Path, tmp_path: Path) -> None:
    state = torch.load(trunk_file, weights_only=True)
    state["features.0.bias"] = state["features.0.bias"] + 1
    other = tmp_path / "other.pth"
    torch.save(state, other)
    terms = [
        METRIC_REGISTRY.build({"type": "lpips", "net": "squeeze", "weights": str(f)}).protocol()
        for f in (trunk_file, other)
    ]
    assert "squeeze" in str(terms[0]["implementation"])
    assert terms[0] != terms[1]


def test_unavailable_offline_with_the_remedy(offline: Path) -> None:
    with pytest.raises(UnavailableError) as caught:
        METRIC_REGISTRY.build({"type": "lpips"})
    assert "alexnet-owt-7be5be79.pth" in str(caught.value)
    assert str(offline) in str(caught.value)
    assert "'weights'" in str(caught.value)


def test_cache_is_used_without_a_network(offline: Path, trunk_file: Path) -> None:
    offline.mkdir(parents=True)
    (offline / _FILES["squeeze"]).write_bytes(trunk_file.read_bytes())
    metric = METRIC_REGISTRY.build({"type": "lpips", "net": "squeeze"})
    assert metric(torch.zeros(3, 40, 40), torch.ones(3, 40, 40)) > 0


def test_download_goes_into_the_cache(
    offline: Path, trunk_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def download(url: str, target: str, hash_prefix: str, progress: bool) -> None:
        asked.append((url, hash_prefix))
        Path(target).write_bytes(trunk_file.read_bytes())

    monkeypatch.setattr(torch.hub, "download_url_to_file", download)
    load_lpips("squeeze")
    load_lpips("squeeze")
    assert asked == [("https://download.pytorch.org/models/squeezenet1_1-b8a52dc0.pth", "b8a52dc0")]


def test_weights_that_are_not_the_trunks_are_refused(trunk_file: Path, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="is not there"):
        load_lpips("squeeze", tmp_path / "none.pth")
    broken = tmp_path / "broken.pth"
    broken.write_bytes(trunk_file.read_bytes()[:5000])
    with pytest.raises(WeightsError, match="cannot be read"):
        load_lpips("squeeze", broken)
    with pytest.raises(WeightsError, match=r"trunk 'alex'.*Download"):
        load_lpips("alex", trunk_file)
    with pytest.raises(OptionError, match="alex, squeeze, vgg"):
        load_lpips("resnet")  # pyright: ignore[reportArgumentType]


def test_weights_with_code_in_them_are_not_run(tmp_path: Path) -> None:
    marker = tmp_path / "ran"

    class Payload:
        def __reduce__(self) -> tuple:
            return (Path.touch, (marker,))

    path = tmp_path / "payload.pth"
    torch.save({"features.0.weight": Payload()}, path)
    with pytest.raises(WeightsError):
        load_lpips("squeeze", path)
    assert not marker.exists()


def test_building_and_scoring_draw_no_global_random_numbers(trunk_file: Path) -> None:
    torch.manual_seed(0)
    state = torch.get_rng_state()
    metric = METRIC_REGISTRY.build(
        {
            "type": "lpips",
            "net": "squeeze",
            "weights": str(trunk_file),
        }
    )
    value = metric(torch.zeros(1, 40, 40), torch.ones(1, 40, 40))
    assert math.isfinite(value)
    assert torch.equal(torch.get_rng_state(), state)


def test_small_images_are_named(trunk_file: Path) -> None:
    metric = METRIC_REGISTRY.build(
        {
            "type": "lpips",
            "net": "squeeze",
            "weights": str(trunk_file),
        }
    )
    with pytest.raises(MetricError, match="at least 32x32 pixels, got 20x40"):
        metric(torch.zeros(3, 40, 20), torch.zeros(3, 40, 20))
