"""Metrics for BasicSR's registry."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...metrics import Metric
from ...registry import METRIC_REGISTRY


def our_metrics() -> list[Callable[..., float]]:
    """``ada_psnr`` and so on: adasr's metrics as BasicSR calls them."""
    return [_metric(name) for name in METRIC_REGISTRY.names()]


def _metric(name: str) -> Callable[..., float]:
    def score(
        img: np.ndarray, img2: np.ndarray | None = None, better: str = "", **options: Any
    ) -> float:
        # ``better`` is for BasicSR itself, which leaves it among the options.
        metric = _built(name, json.dumps(options, sort_keys=True))
        return metric(_tensor(img), *(() if img2 is None else (_tensor(img2),)))

    score.__name__ = f"ada_{name}"
    score.__doc__ = METRIC_REGISTRY.doc(name)
    return score


@functools.lru_cache(maxsize=8)  # one that holds a network is not built again for every image
def _built(name: str, options: str) -> Metric:
    return METRIC_REGISTRY.build({"type": name, **json.loads(options)})


def _tensor(image: np.ndarray) -> Tensor:
    """(H, W, 3) BGR or (H, W) gray, uint8, to (C, H, W) RGB in [0, 1]."""
    pixels = image[..., ::-1] if image.ndim == 3 else image[..., None]
    return torch.from_numpy(np.ascontiguousarray(pixels)).permute(2, 0, 1).float() / 255
