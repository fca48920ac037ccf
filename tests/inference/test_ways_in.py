"""Pillow images, tensors, paths, batches, threads: the same image whichever way it comes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from adasr.data.images import write_image
from adasr.errors import OptionError
from adasr.inference import Upscaler
from adasr.weights import build_network, save_network

SMALL = {"type": "SRResNet", "num_feat": 8, "num_block": 2, "upscale": 2}


@pytest.fixture
def up() -> Upscaler:
    return Upscaler(build_network(SMALL), precision="fp32")


def random_image(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "CMYK", "YCbCr", "HSV", "I;16", "F"])
def test_a_pillow_image_keeps_its_mode(up: Upscaler, mode: str) -> None:
    colour = Image.fromarray(random_image(9, 7, 4))
    if mode == "I;16":
        image = Image.fromarray(random_image(9, 7).astype(np.uint16) * 257)
    elif mode == "F":
        image = Image.fromarray(random_image(9, 7).astype(np.float32) / 255)
    else:
        image = colour.convert("RGB").convert(mode) if mode in ("HSV", "YCbCr") else colour
        image = image.convert("RGB").convert("CMYK") if mode == "CMYK" else image.convert(mode)
    image.info["icc_profile"] = b"profile"
    larger = up(image)
    assert (larger.mode, larger.size) == (mode, (14, 18))
    assert larger.info["icc_profile"] == b"profile"
    if mode in ("L", "RGB", "RGBA", "I;16", "F"):
        assert np.array_equal(np.asarray(larger), up(np.asarray(image)))


def test_palettes_and_bits_become_colours_and_gray(up: Upscaler) -> None:
    image = Image.fromarray(random_image(8, 8, 3))
    assert up(image.convert("P")).mode == "RGB"
    assert up(image.convert("1")).mode == "L"
    with pytest.raises(ValueError, match="mode I "):
        up(image.convert("I"))


@pytest.mark.parametrize(("mode", "becomes"), [("L", "LA"), ("RGB", "RGBA"), ("P", "RGBA")])
def test_a_colour_that_means_transparent_becomes_alpha(up: Upscaler, mode: str, becomes: str):
    image = Image.new(mode, (8, 8))
    image.paste(1, (0, 0, 4, 8))
    image.info["transparency"] = (0, 0, 0) if mode == "RGB" else 0
    larger = up(image)
    assert larger.mode == becomes and "transparency" not in larger.info
    alpha = np.asarray(larger)[..., -1]
    assert (alpha[:, :4] == 255).all() and (alpha[:, 12:] == 0).all()


def test_a_tensor_keeps_its_kind(up: Upscaler) -> None:
    images = random_image(2, 9, 7, 3)
    expected = torch.from_numpy(np.stack([up(image) for image in images])).permute(0, 3, 1, 2)
    tensor = torch.from_numpy(images).permute(0, 3, 1, 2)
    assert torch.equal(up(tensor), expected)
    assert torch.equal(up(tensor[0]), expected[0])
    for dtype in (torch.float32, torch.bfloat16):
        larger = up(tensor.to(dtype) / 255)
        assert larger.dtype == dtype and (larger.float() * 255 - expected).abs().max() < 2.5
    with pytest.raises(ValueError, match="expected"):
        up(tensor[0, 0])


def test_a_path_is_read(up: Upscaler, tmp_path: Path) -> None:
    image = random_image(9, 7, 3)
    write_image(tmp_path / "a.png", image)
    assert np.array_equal(up(tmp_path / "a.png"), up(image))
    assert np.array_equal(up(str(tmp_path / "a.png")), up(image))


@pytest.mark.parametrize("gray_network", [False, True])
def test_a_batch_gives_each_image_its_result(gray_network: bool) -> None:
    channels = {"num_in_ch": 1, "num_out_ch": 1} if gray_network else {}
    up = Upscaler(build_network({**SMALL, **channels}), precision="fp32", scale=1.5)
    shapes = [(9, 7, 3), (9, 7, 3), (5, 5, 3), (9, 7), (9, 7), (9, 7, 3), (6, 6, 4), (6, 6, 4)]
    images = [random_image(*shape, seed=number) for number, shape in enumerate(shapes)]
    for image, larger in zip(images, up.batch(images), strict=True):
        expected = up(image)
        assert larger.shape == expected.shape
        assert np.abs(larger.astype(int) - expected).max() <= 1
    assert up.batch([]) == []


def test_a_batch_that_memory_does_not_hold_goes_one_by_one() -> None:
    class Narrow(torch.nn.Module):
        upscale, size_multiple, num_in_ch = 2, 1, 3

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if len(x) > 1:
                raise RuntimeError("CUDA out of memory")
            return torch.nn.functional.interpolate(x, scale_factor=2.0)

    images = [random_image(4, 4, 3, seed=number) for number in range(3)]
    for image, larger in zip(images, Upscaler(Narrow()).batch(images), strict=True):
        assert np.array_equal(larger, image.repeat(2, axis=0).repeat(2, axis=1))


def test_the_self_ensemble_is_the_mean_of_eight(up: Upscaler) -> None:
    image = random_image(12, 10, 3).astype(np.float32) / 255
    single = Upscaler(up.net, precision="fp32")
    seen = []
    for turns in range(4):
        for mirror in (False, True):
            view = np.rot90(image[:, ::-1] if mirror else image, turns)
            back = np.rot90(single(np.ascontiguousarray(view)), -turns)
            seen.append(back[:, ::-1] if mirror else back)
    eight = Upscaler(up.net, precision="fp32", self_ensemble=True)
    np.testing.assert_allclose(eight(image), np.mean(seen, axis=0), atol=1e-5)
    tiled = Upscaler(up.net, precision="fp32", self_ensemble=True, tile=8)
    np.testing.assert_allclose(tiled(image), eight(image), atol=1e-5)


def test_threads_get_their_own_images() -> None:
    net = build_network(SMALL).train()
    up = Upscaler(net, precision="fp32", tile=8)
    images = [random_image(20, 14, 3, seed=number) for number in range(12)]
    expected = [up(image) for image in images]
    with ThreadPoolExecutor(4) as pool:
        for larger, right in zip(pool.map(up, images), expected, strict=True):
            assert np.array_equal(larger, right)
    assert net.training


def test_a_context_manager(tmp_path: Path) -> None:
    save_network(tmp_path / "net.safetensors", build_network(SMALL))
    with Upscaler(tmp_path / "net.safetensors", device="cpu") as up:
        assert up(random_image(4, 4)).shape == (8, 8)


def test_a_backend_is_taken_as_it_is(up: Upscaler) -> None:
    image = random_image(9, 7, 3)
    assert np.array_equal(Upscaler(up.backend, tile=4)(image), up(image))
    with pytest.raises(OptionError, match="backend"):
        Upscaler(up.net, backend="tensorrt")  # type: ignore[arg-type]
