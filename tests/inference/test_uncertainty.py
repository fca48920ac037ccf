"""Where the network guesses: statistics of passes with dropout at work."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from torch import nn

from adasr.errors import OptionError
from adasr.inference import Upscaler, upscale_folder
from adasr.inference.uncertainty import (
    DropoutSettings,
    UncertaintyUpscaler,
    add_dropout,
    load_with_dropout,
    trained_dropout,
)
from adasr.regularizers.adaptive_dropout import AdaptiveDropout
from adasr.regularizers.sites import attach
from adasr.weights import build_network, save_network

NETWORK = {"type": "SRResNet", "num_feat": 8, "num_block": 2, "upscale": 2}


@pytest.fixture
def image() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (20, 24, 3), dtype=np.uint8)


def saved(tmp_path: Path, regularizer: dict | None) -> Path:
    options = {"name": "run", "regularizer": regularizer}
    metadata = {"options": yaml.safe_dump(options)} if regularizer is not None else None
    save_network(tmp_path / "net.safetensors", build_network(NETWORK), metadata)
    return tmp_path / "net.safetensors"


class Scaled(nn.Module):
    """Known statistics: the sum of the channels of one feature, each with a factor of its own."""

    upscale = 1

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.spread = nn.Conv2d(3, channels, 1, bias=False)
        self.spread.weight.data.fill_(1 / (3 * channels))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.spread(x).sum(dim=1, keepdim=True).expand(-1, 3, -1, -1)


@pytest.mark.parametrize("weight", [0.0, 0.3])
def test_mean_and_deviation_are_those_of_the_blend(weight: float) -> None:
    # y = x / C * sum of s, with E[s] = 1 and Var[s] = (1 - w)^2 p / (1 - p).
    channels, p, passes = 400, 0.2, 400
    net = Scaled(channels)
    sites = add_dropout(net, DropoutSettings(p, weight, ["spread"]))
    up = UncertaintyUpscaler(Upscaler(net, precision="fp32"), sites, passes)
    gray = np.full((5, 6, 3), 0.5, np.float32)
    mean, deviation = up(gray)
    expected = 0.5 * (1 - weight) * np.sqrt(p / (1 - p) / channels)
    assert mean.mean() == pytest.approx(0.5, abs=5 * expected / np.sqrt(passes))
    assert deviation.shape == (5, 6)
    assert deviation.mean() == pytest.approx(expected, rel=0.15)


def test_there_are_no_seams_between_tiles(image: np.ndarray) -> None:
    found = []
    for tile in (0, 8):
        torch.manual_seed(0)
        net = build_network(NETWORK)
        for parameter in net.parameters():  # fresh weights hardly change the enlarged input
            parameter.data *= 3
        sites = add_dropout(net, DropoutSettings(0.5, 0.3))
        up = UncertaintyUpscaler(Upscaler(net, precision="fp32", tile=tile), sites, 4)
        found.append(up(image))
    assert np.abs(found[0][0].astype(int) - found[1][0]).max() <= 1
    assert np.allclose(found[0][1], found[1][1], atol=1e-4)
    assert found[0][1].max() > 1e-3


def test_the_same_seed_gives_the_same_and_the_network_stays_as_it_was(image: np.ndarray) -> None:
    net = build_network(NETWORK)
    plain = Upscaler(net, precision="fp32")(image)
    sites = add_dropout(net, DropoutSettings(0.5))
    up = Upscaler(net, precision="fp32")
    first, again = (UncertaintyUpscaler(up, sites, 3)(image) for _ in range(2))
    other = UncertaintyUpscaler(up, sites, 3, seed=1)(image)
    assert np.array_equal(first[0], again[0]) and np.array_equal(first[1], again[1])
    assert not np.array_equal(first[1], other[1])
    assert np.array_equal(up(image), plain)
    with pytest.raises(OptionError, match="at least 2"):
        UncertaintyUpscaler(up, sites, 1)


@pytest.mark.parametrize("shape", [(9, 8, 1), (9, 8, 2), (9, 8, 4), (9, 8)])
def test_every_kind_of_image(shape: tuple[int, ...]) -> None:
    net = build_network(NETWORK)
    up = UncertaintyUpscaler(Upscaler(net), add_dropout(net, DropoutSettings(0.5, 0.3)), 2)
    image = np.random.default_rng(0).integers(0, 65536, shape, dtype=np.uint16)
    ticks: list[tuple[int, int]] = []
    mean, deviation = up(image, lambda done, total: ticks.append((done, total)))
    assert mean.shape == (18, 16, *shape[2:]) and mean.dtype == np.uint16
    assert deviation.shape == (18, 16) and deviation.dtype == np.float32
    assert ticks[-1][0] == ticks[-1][1] == len(ticks)


def test_dropout_is_that_of_the_training(tmp_path: Path) -> None:
    # Not the weight 1 that annealing ends with, where nothing would be dropped.
    path = saved(tmp_path, {"type": "AdaptiveDropout", "p": 0.4, "weight": 0.2})
    net, sites = load_with_dropout(path)
    twin = build_network(NETWORK)
    expected = attach(twin, AdaptiveDropout())
    assert [site.name for site in sites] == [site.name for site in expected]
    assert {(s.regularizer.p, s.regularizer.share) for s in sites} == {(0.4, 0.2)}  # type: ignore
    _, sites = load_with_dropout(path, 0.1)
    assert {(s.regularizer.p, s.regularizer.share) for s in sites} == {(0.1, 0.2)}  # type: ignore
    assert not net.training
    path = saved(tmp_path, {"type": "ChannelDropout", "p": 0.7})
    assert trained_dropout({"options": "regularizer: {type: ChannelDropout}"}) == DropoutSettings(
        0.7, 0.0, "last"
    )
    assert [site.name for site in load_with_dropout(path)[1]] == [expected[-1].name]


def test_a_network_trained_without_dropout_needs_one_named(tmp_path: Path) -> None:
    path = saved(tmp_path, None)
    with pytest.raises(OptionError, match=r"--dropout 0\.05"):
        load_with_dropout(path)
    assert load_with_dropout(path, 0.05)[1]
    for text in ("", "[", "a", "regularizer: {type: Unknown}", "regularizer: null"):
        assert trained_dropout({"options": text}) is None


def test_a_folder_gets_maps_that_say_their_scale(tmp_path: Path, image: np.ndarray) -> None:
    (tmp_path / "in").mkdir()
    Image.fromarray(image).save(tmp_path / "in/a.png")
    net, sites = load_with_dropout(saved(tmp_path, {"type": "AdaptiveDropout"}))
    up = UncertaintyUpscaler(Upscaler(net), sites, 4)
    report = upscale_folder(up, tmp_path / "in", tmp_path / "out")
    assert [p.name for p in report.done] == ["a.png"] and not report.failures
    mean, deviation = up(image)
    assert np.array_equal(np.asarray(Image.open(tmp_path / "out/a.png")), mean)
    with Image.open(tmp_path / "out/a_uncertainty.png") as picture:
        said = re.search(r"of 4 passes: white is ([\d.]+) of", str(picture.getexif()[270]))
        assert picture.mode == "L" and said is not None
        shown = np.asarray(picture) / 255 * float(said[1])
    bright = deviation < float(said[1])
    assert np.allclose(shown[bright], deviation[bright], atol=float(said[1]) / 255)
    (tmp_path / "out/a_uncertainty.png").unlink()
    for expected in (0, 1):
        again = upscale_folder(up, tmp_path / "in", tmp_path / "out", skip_existing=True)
        assert len(again.skipped) == expected
