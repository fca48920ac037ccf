"""One sample to try a step on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from adasr.degradations.operators import plan, run
from adasr.degradations.regions import whole
from adasr.degradations.steps.step import Sample, Step
from adasr.registry import STEP_REGISTRY

Do = Callable[..., Tensor]


def drawn(
    size: tuple[int, int], kind: str, scale: int = 1, seed: int = 0, **options: Any
) -> Sample:
    """A sample after a step."""
    step: Step = STEP_REGISTRY.build({"type": kind, **options})
    sample = Sample(size, scale, torch.Generator().manual_seed(seed), "codec")
    step(sample)
    return sample


@pytest.fixture
def draw() -> Callable[..., Sample]:
    """``draw((h, w), "JPEG", jpeg_range=[50, 50])``; ``scale`` and ``seed`` too."""
    return drawn


@pytest.fixture
def do() -> Do:
    """``do(image, "JPEG", ...)``: the step's result for a whole (1, 3, H, W) image."""

    def apply(image: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        size = (image.shape[-2], image.shape[-1])
        sample = drawn(size, *args, **kwargs)
        regions = plan(sample.operators, whole(sample.size))
        seen = regions[0].cut(image[0], whole(size))
        return run(sample.operators, seen.contiguous(), regions)[None]

    return apply


@pytest.fixture(scope="session")
def photo(picture: np.ndarray) -> Tensor:
    """(1, 3, 96, 120) in [0, 1]."""
    cut = np.ascontiguousarray(picture[40:136, 40:160])
    return torch.from_numpy(cut).permute(2, 0, 1)[None] / 255
