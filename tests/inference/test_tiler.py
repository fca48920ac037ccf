"""Tiles of any size, in any order of rows, give the image that the whole gives."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
import torch

from adasr.errors import AdasrError
from adasr.inference import Upscaler
from adasr.inference.feather import Blender, ramp
from adasr.inference.receptive_field import TOLERANCE, measure_reach
from adasr.inference.tiles import spans
from adasr.weights import build_network


def strong(options: dict, gain: float = 0.5) -> torch.nn.Module:
    """Weights as strong as trained ones, the output of a picture's contrast."""
    torch.manual_seed(0)
    net = build_network(options)
    for module in net.modules():
        if isinstance(module, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(module.weight)
            module.weight.data.mul_(gain)
    return net.eval()


def picture(*shape: int, seed: int = 0) -> np.ndarray:
    """Smooth and rough parts, uint8."""
    random = np.random.default_rng(seed)
    height, width = shape[:2]
    waves = np.sin(np.arange(height)[:, None] / 5) * np.cos(np.arange(width) / 7)
    waves = waves[..., None] if len(shape) == 3 else waves
    return (127 + 70 * waves + random.integers(-50, 50, shape)).clip(0, 255).astype(np.uint8)


class Rows:
    """Rows that are read forward only, made when they are asked for."""

    def __init__(self, image: np.ndarray) -> None:
        self.image, self.shape, self.dtype = image, image.shape, image.dtype
        self.first, self.most = 0, 0

    def rows(self, first: int, end: int) -> np.ndarray:
        assert self.first <= first < end <= self.shape[0]
        self.first, self.most = first, max(self.most, end - first)
        return self.image[first:end].copy()


class Sink:
    def __init__(self) -> None:
        self.parts: list[np.ndarray] = []

    def write(self, rows: np.ndarray) -> None:
        self.parts.append(rows.copy())


SRRESNET = {"type": "SRResNet", "num_feat": 8, "num_block": 2, "upscale": 2}
UNSHUFFLED = {"type": "RRDBNet", "num_feat": 8, "num_block": 1, "num_grow_ch": 4, "upscale": 1}


@pytest.mark.parametrize("options", [SRRESNET, UNSHUFFLED], ids=lambda o: o["type"])
@pytest.mark.parametrize(
    ("shape", "tile"),
    [((1, 1, 3), 1), ((1, 20, 1), 7), ((37, 2, 3), 16), ((9, 11, 4), 1), ((61, 47, 3), 17)],
)
def test_any_size_in_any_tiles_is_the_whole_image(
    options: dict, shape: tuple[int, int, int], tile: int
) -> None:
    net, image = strong(options), picture(*shape)
    image[..., -1] |= 1 if shape[2] == 4 else 0  # visible everywhere
    whole = Upscaler(net, tile=0, precision="fp32")(image)
    tiled = Upscaler(net, tile=tile, precision="fp32")(image)
    assert np.abs(whole.astype(int) - tiled).max() <= 1


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_depth_is_kept_in_tiles(dtype: type) -> None:
    net = strong(SRRESNET)
    image = picture(50, 40, 3).astype(dtype)
    image = image * 257 if dtype is np.uint16 else image / np.float32(255)
    whole = Upscaler(net, tile=0, precision="fp32")(image)
    tiled = Upscaler(net, tile=16, precision="fp32")(image)
    assert tiled.dtype == dtype
    np.testing.assert_allclose(tiled, whole, atol=2 if dtype is np.uint16 else 3e-5)


@pytest.mark.parametrize(
    ("channels", "scale"), [(1, 2.5), (2, None), (3, None), (3, 1.3), (4, 2.5)]
)
def test_a_stream_is_the_image(channels: int, scale: float | None) -> None:
    image = picture(90, 35, channels)
    if channels in (2, 4):
        image[20:60, 5:20, -1] = 0
    up = Upscaler(strong(SRRESNET), tile=16, precision="fp32", scale=scale)
    source, sink = Rows(image), Sink()
    up.stream(source, sink)
    streamed = np.concatenate(sink.parts)
    assert streamed.shape == up.output_shape(image.shape)
    assert len(sink.parts) > 2 and source.most < 90
    whole = Upscaler(strong(SRRESNET), tile=0, precision="fp32", scale=scale)(image)
    difference = np.abs(streamed.astype(int) - whole)
    if channels in (2, 4):  # what is not seen may differ
        assert difference[..., -1].max() <= 1
        difference = difference[whole[..., -1] > 0]
    # Where a tile's value was rounded to the other side, resampling may add its own step.
    assert difference.max() <= (1 if scale is None else 2)


def test_a_stream_takes_the_memory_of_a_band() -> None:
    class Nearest(torch.nn.Module):
        upscale, size_multiple, num_in_ch = 2, 1, 3

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.nn.functional.interpolate(x, scale_factor=2.0)

    class Endless(Rows):
        def __init__(self, height: int) -> None:
            self.shape, self.dtype, self.first, self.most = (height, 200, 3), np.dtype("u1"), 0, 0

        def rows(self, first: int, end: int) -> np.ndarray:
            self.first = first
            return np.full((end - first, 200, 3), first % 251, np.uint8)

    class Count(Sink):
        rows = 0

        def write(self, rows: np.ndarray) -> None:
            self.rows += len(rows)

    up = Upscaler(Nearest(), tile=64, scale=1.5)
    peaks = []
    for height in (400, 3200):
        sink = Count()
        tracemalloc.start()
        up.stream(Endless(height), sink)  # type: ignore[arg-type]
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert sink.rows == height * 3 // 2
    assert peaks[1] < 1.2 * peaks[0] + 2**16


def test_hidden_corners_are_filled_as_in_the_whole_image() -> None:
    class Wide(torch.nn.Module):
        upscale, size_multiple, num_in_ch = 1, 1, 3

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.nn.functional.avg_pool2d(x, 41, 1, 20, count_include_pad=False)

    image = np.zeros((96, 96, 4), np.uint8)
    image[31, 40] = 250, 0, 0, 255  # the last row of a band, which looks 20 pixels around
    # Nearer than that one to the hidden pixel in the corner of what it looks at.
    image[31 + 20 + 28, 40 + 20] = 0, 250, 0, 255
    whole, tiled = Upscaler(Wide(), tile=0)(image), Upscaler(Wide(), tile=32)(image)
    assert np.abs(whole[31, 40].astype(int) - tiled[31, 40]).max() == 0


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."),
        RuntimeError("std::bad_alloc"),
        MemoryError("Unable to allocate 1 GiB for an array"),  # NumPy's
    ],
    ids=lambda error: type(error).__name__,
)
def test_memory_that_runs_out_on_the_way_leaves_no_trace(error: Exception) -> None:
    class Tired(torch.nn.Module):
        upscale, size_multiple, num_in_ch = 2, 1, 3
        calls = 0

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.calls += 1
            if self.calls > 10 and max(x.shape[-2:]) > 40:
                raise error
            wide = torch.nn.functional.avg_pool2d(x, 3, 1, 1, count_include_pad=False)
            return torch.nn.functional.interpolate(wide, scale_factor=2.0)

    image = picture(200, 150, 3)
    expected = Upscaler(Tired(), tile=0, precision="fp32")(image)
    counts: list[tuple[int, int]] = []
    up = Upscaler(Tired(), tile=64, precision="fp32")
    assert np.array_equal(up(image, lambda *count: counts.append(count)), expected)
    assert counts[-1][0] == counts[-1][1] == len(counts) > 12


def test_neighbours_weights_add_up_to_one() -> None:
    total = np.zeros(100 * 3)
    for span in spans(100, 30, 16, 4):
        start, stop = span.widened(7)
        total[start * 3 : stop * 3] += ramp(span, 7, 100, 3)
    np.testing.assert_allclose(total, 1, atol=1e-6)


def test_blended_bands_of_one_image_are_the_image() -> None:
    image = np.random.default_rng(0).random((90, 70, 3), np.float32)
    blender, rows = Blender(90, 70, 3, 1, 5), []
    for band in spans(90, 25, 10):
        blender.begin(band)
        for part in spans(70, 30, 10):
            (top, bottom), (left, right) = band.widened(5), part.widened(5)
            blender.add(band, part, image[top:bottom, left:right])
        rows.append(blender.finish(band))
    np.testing.assert_allclose(np.concatenate(rows), image, atol=1e-6)


ATTENTION = {
    "SwinIR": {"embed_dim": 24, "depths": [2, 2], "num_heads": [2, 2], "img_size": 16},
    "HAT": {
        "embed_dim": 24,
        "depths": [2],
        "num_heads": [2],
        "img_size": 16,
        "window_size": 8,
        "compress_ratio": 4,
        "squeeze_factor": 4,
    },
    "DAT": {"embed_dim": 32, "depth": [2], "num_heads": [2], "img_size": 16, "split_size": [8, 8]},
}


@pytest.mark.parametrize("name", ATTENTION)
def test_tiles_of_attention_stay_within_their_bound(name: str) -> None:
    net = strong({"type": name, "upscale": 2, **ATTENTION[name]}, 0.7)
    image = picture(100, 130, 3)
    whole = Upscaler(net, tile=0, precision="fp32")(image)
    up = Upscaler(net, tile=48, precision="fp32")
    difference = np.abs(up(image).astype(int) - whole)
    assert (up.tile_error == 0) == (name == "SwinIR")
    assert whole.std() > 5
    assert difference.max() <= 3 and difference.mean() <= 0.2


def test_a_network_of_averages_is_blended_without_a_step() -> None:
    class Mean(torch.nn.Module):
        upscale, size_multiple, num_in_ch = 1, 1, 3

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x - 0.5 * x.mean(dim=(2, 3), keepdim=True)

    net = Mean()
    assert not measure_reach(net, 3).is_exact
    ramped = np.repeat(np.linspace(0.5, 1, 300, dtype=np.float32)[None], 80, axis=0)[..., None]
    made = Upscaler(net, tile=64, precision="fp32")(np.repeat(ramped, 3, axis=2))
    # Each tile takes another mean, up to 0.05 apart: blended over 16 pixels nothing jumps.
    assert np.abs(np.diff(made[..., 0], axis=1)).max() < 0.01


def test_the_error_of_networks_of_convolutions() -> None:
    up = Upscaler(strong(SRRESNET), tile=32)
    assert up.tile_error == 0 and up.overlap == 2 * 2 + 3
    deep = {**SRRESNET, "num_block": 40, "num_feat": 4}  # looks further than tiles overlap
    assert 0 < Upscaler(build_network(deep)).tile_error <= TOLERANCE


def test_deep_networks_are_blended_within_one_level() -> None:
    net = build_network({**SRRESNET, "num_block": 40, "num_feat": 4}).eval()
    image = picture(70, 90, 3)
    whole = Upscaler(net, tile=0, precision="fp32")(image)
    tiled = Upscaler(net, tile=24, precision="fp32")(image)
    assert np.abs(whole.astype(int) - tiled).max() <= 1


def test_float_values_out_of_range_are_found_in_a_stream() -> None:
    image = np.zeros((80, 8, 3), np.float32)
    image[70] = 2
    with pytest.raises(ValueError, match="must lie in"):
        Upscaler(strong(SRRESNET), tile=16).stream(Rows(image), Sink())


def test_a_wrong_scale_is_told() -> None:
    class Liar(torch.nn.Module):
        upscale, size_multiple, num_in_ch = 4, 1, 3

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x

    with pytest.raises(AdasrError, match="scale is not 4"):
        Upscaler(Liar())(picture(8, 8, 3))
