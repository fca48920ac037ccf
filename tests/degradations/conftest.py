"""A picture with edges, texture and flat parts that needs no file."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor


@pytest.fixture(scope="session")
def picture() -> np.ndarray:
    """(160, 208, 3) uint8 RGB."""
    y, x = np.mgrid[:160, :208]
    waves = 127 + 90 * np.sin(x / 7.0 + (y / 23.0) ** 2)
    disc = 230.0 * ((x - 120) ** 2 + (y - 80) ** 2 < 45**2)
    ramp = x * 255.0 / 207
    texture = np.random.RandomState(0).uniform(-25, 25, (160, 208, 3))
    image = np.stack([0.6 * waves + 0.4 * ramp, disc, 0.5 * disc + 0.5 * waves], -1)
    return (image + texture * (y > 100)[..., None]).clip(0, 255).astype(np.uint8)


@pytest.fixture(scope="session")
def batch(picture: np.ndarray) -> Tensor:
    """(4, 3, 128, 128) in [0, 1]."""
    crops = [picture[i * 8 : i * 8 + 128, i * 20 : i * 20 + 128] for i in range(4)]
    return torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2).contiguous() / 255
