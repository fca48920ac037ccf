"""The path of the device and that of the host make pairs of one distribution."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from adasr.registry import DEGRADATION_REGISTRY

N = 320


@pytest.fixture(scope="module")
def frames(picture: np.ndarray) -> Tensor:
    """(N, 3, 160, 160) in [0, 1], eight crops of a picture over and over."""
    image = torch.from_numpy(picture).permute(2, 0, 1) / 255
    crops = [image[:, :160, 6 * i : 6 * i + 160] for i in range(8)]
    return torch.stack(crops).repeat(N // 8, 1, 1, 1)


def _luma(lq: Tensor) -> Tensor:
    return (lq * torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)).sum(1)


def _laplacian(planes: Tensor) -> Tensor:
    inner = planes[..., 1:-1, 1:-1]
    sides = planes[..., 2:, 1:-1] + planes[..., :-2, 1:-1]
    return 4 * inner - sides - planes[..., 1:-1, 2:] - planes[..., 1:-1, :-2]


def _band(lq: Tensor, gt: Tensor, number: int) -> Tensor:
    power = torch.fft.rfft2(_luma(lq), norm="ortho").abs().square()
    y = torch.fft.fftfreq(lq.shape[-2])[:, None]
    radius = (y.square() + torch.fft.rfftfreq(lq.shape[-1]).square()).sqrt() * 8
    return power[:, radius.long().clamp(max=3) == number].mean(1).add(1e-6).log()


STATISTICS = {
    "mean": lambda lq, gt: lq.flatten(1).mean(1),
    "deviation": lambda lq, gt: lq.flatten(1).std(1),
    "distance to GT": lambda lq, gt: (
        lq - F.interpolate(gt, scale_factor=0.25, mode="bicubic", antialias=True)
    ).abs().flatten(1).mean(1),
    "gradient energy": lambda lq, gt: _luma(lq).diff(dim=-1).square().flatten(1).mean(1),
    "luma noise": lambda lq, gt: _laplacian(_luma(lq)).abs().flatten(1).median(1).values,
    "chroma noise": lambda lq, gt: _laplacian(lq[:, 0] - lq[:, 1]).abs().flatten(1).mean(1),
    **{f"band {k}": lambda lq, gt, k=k: _band(lq, gt, k) for k in range(4)},
    "GT sharpness": lambda lq, gt: gt.diff(dim=-1).square().flatten(1).mean(1),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("jpeg_method", ["simulated", "released"])
@pytest.mark.parametrize("kind", ["RealESRGAN", "RealESRGANFirstOrder"])
def test_both_paths_agree_in_distribution(frames, kind, jpeg_method):
    degradation = DEGRADATION_REGISTRY.build({"type": kind, "jpeg_method": jpeg_method}, scale=4)
    host = degradation(frames, torch.Generator().manual_seed(0), 128)
    generator = torch.Generator().manual_seed(1)
    parts = [degradation.degrade_together(part, generator, 128) for part in frames.split(32)]
    device = tuple(torch.cat(side) for side in zip(*parts, strict=True))
    assert [x.shape for x in host] == [x.shape for x in device]
    for name, statistic in STATISTICS.items():
        a, b = statistic(*host).double(), statistic(*device).double()
        z = (a.mean() - b.mean()) / math.sqrt((a.var() + b.var()) / N)
        print(f"{name:16s} {a.mean():10.5f} {b.mean():10.5f} z {z:+.2f}")
        assert abs(z) < 3.5, f"{name}: {a.mean():.5f} on the host, {b.mean():.5f} on the device"
