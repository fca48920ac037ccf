"""Another scale than the network's: as Pillow resamples, in any portions."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from PIL import Image

from adasr.data.rows import ArraySink
from adasr.errors import OptionError
from adasr.inference import Upscaler
from adasr.inference.rescale import RescaledSink, rescale
from adasr.weights import build_network


@pytest.mark.parametrize("size", [(33, 41), (12, 7), (150, 90), (61, 53), (1, 1)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_portions_make_no_difference(size: tuple[int, int], dtype: type) -> None:
    random = np.random.default_rng(0)
    image = random.integers(0, 256, (61, 53, 3)).astype(dtype)
    image = image / np.float32(255) if dtype is np.float32 else image
    sink = ArraySink((*size, 3), image.dtype)
    portions = RescaledSink(sink, (61, 53, 3), size)
    for first, end in [(0, 5), (5, 6), (6, 40), (40, 61)]:
        portions.write(image[first:end])
    whole = rescale(image, size)
    assert whole.dtype == dtype and whole.shape == (*size, 3)
    np.testing.assert_allclose(sink.image, whole, atol=1e-5 if dtype is np.float32 else 1)


def test_a_portion_of_any_size_takes_little_memory() -> None:
    class Count:
        most = 0

        def write(self, rows: np.ndarray) -> None:
            self.most = max(self.most, rows.nbytes)

    image = np.zeros((12_000, 2000, 3), np.uint8)
    tracemalloc.start()
    RescaledSink(Count(), image.shape, (7500, 1250)).write(image)  # pyright: ignore
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.5 * image.nbytes


def test_the_kernel_is_pillows_lanczos() -> None:
    image = np.random.default_rng(0).integers(100, 150, (40, 50, 3), np.uint8)
    expected = Image.fromarray(image).resize((31, 25), Image.Resampling.LANCZOS)
    assert np.abs(rescale(image, (25, 31)).astype(int) - np.asarray(expected)).max() <= 1


def test_any_scale_of_an_upscaler() -> None:
    net = build_network({"type": "SRResNet", "num_feat": 4, "num_block": 1, "upscale": 4})
    image = np.full((20, 31, 4), 100, np.uint8)
    up = Upscaler(net, scale=2.5)
    assert up.upscale == 2.5 and up(image).shape == (50, 78, 4) == up.output_shape((20, 31, 4))
    assert Upscaler(net, scale=6)(image).shape == (120, 186, 4)
    with pytest.raises(OptionError, match="scale"):
        Upscaler(net, scale=0)
