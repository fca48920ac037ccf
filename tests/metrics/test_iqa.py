"""Metrics of pyiqa: its own values, trained weights or none at all, and no trace.

Where pyiqa is installed it is the real one; elsewhere a stand-in with its interface.
"""

from __future__ import annotations

import importlib.util
import math
import random
import sys
import types
import urllib.error
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from adasr.compat import import_torchvision
from adasr.errors import OptionError, UnavailableError, WeightsError
from adasr.metrics import Metric, MetricError
from adasr.registry import METRIC_REGISTRY

installed = importlib.util.find_spec("pyiqa") is not None
with_pyiqa = pytest.mark.skipif(not installed, reason="pyiqa is not installed")


def build(kind: str, **options: object) -> Metric:
    return METRIC_REGISTRY.build({"type": kind, **options})


class StandIn(nn.Module):
    """The part of pyiqa's InferenceModel that is used."""

    def __init__(self, name: str, device: torch.device | None = None, **options: Any) -> None:
        super().__init__()
        if name in ("clipiqa", "musiq") and "pretrained_model_path" not in options:
            print('Downloading: "https://example.org/weights.pth" to /cache/weights.pth\n')
            raise urllib.error.URLError("no network")
        if options.keys() - {"pretrained_model_path"}:
            raise TypeError("__init__() got an unexpected keyword argument")
        self.metric_mode = "FR" if name == "distance" else "NR"
        self.lower_better = name == "distance"
        self.scale = nn.Parameter(torch.rand(()))
        random.random()
        np.random.rand()

    def forward(self, target: Tensor, ref: Tensor | None = None) -> Tensor:
        assert target.shape[0] == 1, "one image"
        assert target.shape[1] == 3
        assert target.dtype == torch.float32
        assert min(target.shape[-2:]) >= 8, "Input is too small"
        if self.metric_mode == "FR":
            assert ref is not None
            return (target - ref).abs().mean((1, 2, 3))
        return target.mean((1, 2, 3))[:, None] + torch.rand(())


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("pyiqa")
    names = ["clipiqa", "distance", "fid", "musiq", "patches"]
    module.__dict__.update(create_metric=StandIn, list_models=lambda: names, __version__="0.0")
    monkeypatch.setitem(sys.modules, "pyiqa", module)


def test_a_metric_that_compares(stand_in: None) -> None:
    metric = build("pyiqa", name="distance", crop_border=2)
    assert metric.needs_gt
    assert not metric.higher_is_better
    sr, gt = torch.full((3, 20, 20), 0.2), torch.full((3, 20, 20), 0.6)
    gt[:, 0] = 0  # in the border
    assert metric(sr, gt) == pytest.approx(102 / 255, abs=1e-6)
    assert metric.protocol()["implementation"] == "pyiqa 0.0 distance"
    with pytest.raises(MetricError, match=r"distance .*ground truth"):
        metric(sr)


def test_a_metric_of_the_image_alone(stand_in: None) -> None:
    metric = build("pyiqa", name="patches")
    assert not metric.needs_gt
    assert metric.higher_is_better
    one = metric(torch.full((1, 20, 20), 0.2))
    assert metric(torch.full((1, 20, 20), 0.2)) == one  # its patches are drawn alike
    assert metric.batch(torch.full((2, 3, 20, 20), 0.2)) == [one, one]
    assert math.isnan(metric(torch.full((3, 20, 20), math.nan)))
    with pytest.raises(MetricError, match=r"patches of pyiqa .* 6x20 \(Input is too small\)"):
        metric(torch.zeros(3, 20, 6))


def test_no_random_number_of_the_run_is_drawn(stand_in: None) -> None:
    states = torch.get_rng_state(), random.getstate(), str(np.random.get_state())
    build("pyiqa", name="patches")(torch.rand(3, 20, 20, generator=torch.Generator()))
    assert torch.equal(torch.get_rng_state(), states[0])
    assert random.getstate() == states[1]
    assert str(np.random.get_state()) == states[2]


@pytest.mark.parametrize("name", ["clipiqa", "musiq"])
def test_without_weights_there_is_no_score(
    stand_in: None, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UnavailableError) as caught:
        build(name)
    assert "https://example.org/weights.pth" in str(caught.value)
    assert "no network" in str(caught.value)
    assert str(torch.hub.get_dir()) in str(caught.value)
    assert capsys.readouterr().out == ""


def test_weights_of_the_users(stand_in: None, tmp_path: Path) -> None:
    file = tmp_path / "musiq.pth"
    with pytest.raises(WeightsError, match="is not there"):
        build("musiq", weights=str(file))
    torch.save({"params": {"weight": torch.zeros(2)}}, file)
    protocol = build("musiq", weights=str(file)).protocol()
    assert str(file) in str(protocol["implementation"])


def test_code_in_weights_is_not_run(stand_in: None, tmp_path: Path) -> None:
    marker, file = tmp_path / "ran", tmp_path / "payload.pth"

    class Payload:
        def __reduce__(self) -> tuple:
            return (Path.touch, (marker,))

    torch.save({"params": Payload()}, file)
    with pytest.raises(WeightsError, match="cannot be read as weights"):
        build("musiq", weights=str(file))
    assert not marker.exists()


def test_wrong_options_are_named(stand_in: None) -> None:
    with pytest.raises(OptionError, match=r"name: .*'patchs'.*Did you mean 'patches'"):
        build("pyiqa", name="patchs")
    with pytest.raises(OptionError, match="sets of images"):
        build("pyiqa", name="fid")
    with pytest.raises(OptionError, match=r"options: .*does not take"):
        build("pyiqa", name="patches", options={"colour": 3})
    with pytest.raises(OptionError, match=r"options\.pretrained: .*trained weights"):
        build("pyiqa", name="patches", options={"pretrained": False})


def test_without_the_package_the_remedy_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyiqa", None)
    with pytest.raises(UnavailableError, match=r"pip install adasr\[iqa\]"):
        build("clipiqa")


@with_pyiqa
@pytest.mark.parametrize("name", ["piqe", "gmsd", "psnr"])
def test_scores_are_pyiqas(name: str) -> None:
    """Of metrics that have no weights."""
    import_torchvision()
    import pyiqa  # pyright: ignore[reportMissingImports]

    gt = torch.rand(3, 120, 140).mul(255).round() / 255
    sr = (gt * 0.9).mul(255).round() / 255
    theirs = pyiqa.create_metric(name, device=torch.device("cpu"))
    expected = float(theirs(sr[None], gt[None]) if name != "piqe" else theirs(sr[None]))
    metric = build("pyiqa", name=name)
    assert metric(sr, gt) == pytest.approx(expected, abs=1e-5)
    assert metric.needs_gt == (name != "piqe")
    assert metric.higher_is_better == (name == "psnr")


@with_pyiqa
@pytest.mark.slow
def test_musiq_takes_a_file_of_weights(tmp_path: Path) -> None:
    import_torchvision()
    import pyiqa  # pyright: ignore[reportMissingImports]

    theirs = pyiqa.create_metric("musiq", device=torch.device("cpu"), pretrained=False).eval()
    file = tmp_path / "musiq.pth"
    torch.save(theirs.net.state_dict(), file)
    sr = torch.rand(3, 120, 140).mul(255).round() / 255
    metric = build("musiq", weights=str(file))
    assert metric(sr) == pytest.approx(float(theirs(sr[None])), abs=1e-4)
    assert metric.higher_is_better
    assert not metric.needs_gt
    torch.save({"other": torch.zeros(2)}, file)
    with pytest.raises(WeightsError, match="not pyiqa's weights of musiq"):
        build("musiq", weights=str(file))
