"""Tiles cover the image once, and tiling changes nothing one can see."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from adasr.inference import Upscaler
from adasr.inference.receptive_field import LIMIT, needed_overlap
from adasr.inference.tiles import grid, pad_to_multiple, spans
from adasr.weights import build_network


def spread(net: torch.nn.Module, scale: float = 1.0) -> torch.nn.Module:
    """Weights as strong as trained ones: fresh ones are so small that borders hardly matter."""
    torch.manual_seed(0)
    for module in net.modules():
        if isinstance(module, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(module.weight)
            module.weight.data.mul_(scale)
    return net


@pytest.mark.parametrize("length", [1, 7, 31, 32, 33, 100, 257])
@pytest.mark.parametrize("tile", [1, 8, 32, 64])
@pytest.mark.parametrize("multiple", [1, 4])
def test_tiles_cover_every_pixel_once(length: int, tile: int, multiple: int) -> None:
    length = -(-length // multiple) * multiple
    parts = spans(length, tile, 10, multiple)
    covered = [pixel for part in parts for pixel in range(part.start, part.stop)]
    assert covered == list(range(length))
    for part in parts:
        assert part.stop - part.start <= max(tile, multiple)
        assert part.read_start in (0, part.start - -(-10 // multiple) * multiple) or (
            part.read_start == 0
        )
        assert 0 <= part.read_start <= part.start < part.stop <= part.read_stop <= length
        assert part.read_start % multiple == 0 and part.read_stop % multiple == 0


def test_tile_zero_is_the_whole_image() -> None:
    (tile,) = grid(50, 70, 0, 8)
    images = torch.rand(1, 3, 50, 70)
    assert torch.equal(tile.read(images), images)
    assert torch.equal(tile.keep(images, 1), images)


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (3, 2), (8, 8), (9, 16)])
def test_padding_reflects_as_numpy_does(shape: tuple[int, int]) -> None:
    image = torch.rand(1, 3, *shape)
    padded = pad_to_multiple(image, 8)
    height, width = padded.shape[-2:]
    assert height % 8 == width % 8 == 0
    extra = ((0, 0), (0, 0), (0, height - shape[0]), (0, width - shape[1]))
    assert np.array_equal(padded.numpy(), np.pad(image.numpy(), extra, mode="reflect"))
    assert pad_to_multiple(image, 1, minimum=16).shape[-2:] == (16, 16)


@pytest.mark.parametrize(
    ("blocks", "expected"),
    # conv_first, two per block, then at x2 one upconv at the small and two at the large size.
    [(1, 1 + 2 + 1 + 1), (4, 1 + 8 + 1 + 1), (8, 1 + 16 + 1 + 1)],
)
def test_the_measured_reach_is_the_receptive_field(blocks: int, expected: int) -> None:
    net = build_network({"type": "SRResNet", "num_feat": 4, "num_block": blocks, "upscale": 2})
    reach = needed_overlap(net.eval(), 3)
    assert expected <= reach <= expected + 1


def test_a_network_that_looks_everywhere_gets_the_limit_at_most() -> None:
    class Mean(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x - x.mean(dim=(2, 3), keepdim=True)

    assert 0 < needed_overlap(Mean(), 3) <= LIMIT


@pytest.mark.parametrize(
    "options",
    [
        {"type": "SRResNet", "num_feat": 8, "num_block": 4, "upscale": 4},
        {"type": "SRResNet", "num_feat": 8, "num_block": 4, "upscale": 3},
        {"type": "SRResNet", "num_feat": 8, "num_block": 4, "upscale": 1},
        {"type": "RRDBNet", "num_feat": 8, "num_block": 1, "num_grow_ch": 4, "upscale": 4},
        {"type": "RRDBNet", "num_feat": 8, "num_block": 4, "num_grow_ch": 4, "upscale": 2},
        {"type": "RRDBNet", "num_feat": 8, "num_block": 4, "num_grow_ch": 4, "upscale": 1},
        {"type": "Compact", "num_feat": 8, "num_conv": 4},
        {"type": "SPAN", "feature_channels": 8, "upscale": 2},
    ],
    ids=lambda o: f"{o['type']} x{o.get('upscale', 4)}",
)
@pytest.mark.parametrize("tile", [16, 40])
def test_tiled_equals_whole_to_one_level(options: dict, tile: int) -> None:
    net = spread(build_network(options), 0.5)
    image = np.random.default_rng(0).integers(0, 256, (75, 101, 3)).astype(np.uint8)
    whole = Upscaler(net, tile=0, precision="fp32")(image)
    tiled = Upscaler(net, tile=tile, precision="fp32")(image)
    assert len(np.unique(whole)) > 20  # not all clipped to black or white
    assert np.abs(whole.astype(int) - tiled).max() <= 1


def test_windows_fall_as_in_the_whole_image() -> None:
    options = {"embed_dim": 12, "depths": [2], "num_heads": [2], "img_size": 16, "upscale": 2}
    net = build_network({"type": "SwinIR", **options})
    image = np.random.default_rng(0).integers(0, 256, (45, 70, 3)).astype(np.uint8)
    whole = Upscaler(net, tile=0, precision="fp32")(image)
    tiled = Upscaler(net, tile=24, precision="fp32")(image)
    assert np.abs(whole.astype(int) - tiled).max() <= 1
