"""NIQE: BasicSR's own values, on the image alone; without BasicSR it is told and left out."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from adasr.errors import OptionError, UnavailableError
from adasr.metrics import MetricError
from adasr.registry import METRIC_REGISTRY

if TYPE_CHECKING:
    from adasr.options import Options


def picture(height: int, width: int, channels: int = 3) -> torch.Tensor:
    """Smooth noise, (C, H, W) in about [0, 1]."""
    coarse = torch.rand(1, channels, height // 4, width // 4)
    return torch.nn.functional.interpolate(coarse, size=(height, width), mode="bicubic")[0]


@pytest.mark.parametrize("border", [0, 4])
@pytest.mark.parametrize("convert_to", ["y", "gray"])
def test_equals_basicsrs(basicsr: ModuleType, border: int, convert_to: str) -> None:
    from basicsr.metrics import calculate_niqe
    from basicsr.utils import tensor2img

    sr = picture(212, 204)
    metric = METRIC_REGISTRY.build(
        {"type": "niqe", "crop_border": border, "convert_to": convert_to}
    )
    expected = calculate_niqe(tensor2img([sr]), crop_border=border, convert_to=convert_to)
    assert metric(sr, torch.zeros_like(sr)) == expected
    assert metric(sr) == expected
    assert not metric.higher_is_better
    assert metric.protocol()["implementation"] == "BasicSR 1.4.2"


def test_a_gray_image_is_scored_as_it_is(basicsr: ModuleType) -> None:
    from basicsr.metrics import calculate_niqe

    sr = picture(200, 200, 1)
    pixels = (sr[0].clamp(0, 1).numpy() * 255).round().astype(np.uint8)
    metric = METRIC_REGISTRY.build({"type": "niqe"})
    assert metric(sr) == calculate_niqe(pixels, crop_border=0, input_order="HW")


def test_what_cannot_be_scored_is_told(basicsr: ModuleType) -> None:
    metric = METRIC_REGISTRY.build({"type": "niqe"})
    with pytest.raises(MetricError, match=r"blocks of 96x96 pixels .* image of 190x100"):
        metric(picture(100, 190))
    with pytest.raises(MetricError, match="without structure"):
        metric(torch.full((3, 200, 200), 0.5))
    assert math.isnan(metric(torch.full((3, 200, 200), math.nan)))
    with pytest.raises(OptionError, match="convert_to"):
        METRIC_REGISTRY.build({"type": "niqe", "convert_to": "rgb"})


def test_without_basicsr_the_metric_is_left_out_with_the_remedy(
    monkeypatch: pytest.MonkeyPatch, options: Callable[..., Options]
) -> None:
    from adasr.evaluation.build import make_metrics

    for module in [m for m in sys.modules if m.partition(".")[0] == "basicsr"]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "basicsr", None)
    with pytest.raises(UnavailableError, match=r"pip install basicsr==1\.4\.2"):
        METRIC_REGISTRY.build({"type": "niqe"})
    told: list[str] = []
    held = make_metrics(options(val={"metrics": {"psnr": {}, "niqe": {}}}), told.append)
    assert list(held) == ["psnr"]
    assert len(told) == 1
    assert told[0].startswith("metric 'niqe' is left out: NIQE is unavailable")
