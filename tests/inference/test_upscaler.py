"""One image through the upscaler: depth, channels and size are kept, nothing is lost."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from adasr.errors import AdasrError, OptionError, WeightsError
from adasr.inference import Upscaler
from adasr.inference import torch_backend as module
from adasr.weights import build_network, save_network

SMALL = {"type": "SRResNet", "num_feat": 8, "num_block": 2, "upscale": 2}


class Nearest(nn.Module):
    """Enlarges by repetition: the right answer is known for every pixel."""

    upscale = 2

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.interpolate(x, scale_factor=2.0, mode="nearest")


def random_image(shape: tuple[int, ...], dtype: type) -> np.ndarray:
    values = np.random.default_rng(0).random(shape)
    if np.issubdtype(dtype, np.integer):
        return (values * np.iinfo(dtype).max).round().astype(dtype)
    return values.astype(dtype)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float16, np.float32, np.float64])
@pytest.mark.parametrize("channels", [None, 1, 2, 3, 4])
def test_depth_and_channels_are_kept(dtype: type, channels: int | None) -> None:
    shape = (5, 7) if channels is None else (5, 7, channels)
    image = random_image(shape, dtype)
    if channels in (2, 4):
        image[..., -1] = np.iinfo(dtype).max if np.issubdtype(dtype, np.integer) else 1
    larger = Upscaler(Nearest())(image)
    assert larger.dtype == dtype
    expected = image.repeat(2, axis=0).repeat(2, axis=1)
    if np.issubdtype(dtype, np.integer):
        assert np.array_equal(larger, expected)
    else:  # the mean of three equal numbers may differ from them in the last bit
        np.testing.assert_allclose(larger, expected, rtol=0, atol=1e-7)


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 9, 3), (2, 1), (3, 3, 4)])
@pytest.mark.parametrize("name", ["SRResNet", "RRDBNet", "SwinIR"])
def test_the_smallest_images_work(shape: tuple[int, ...], name: str) -> None:
    sizes = {
        "SRResNet": {"num_feat": 8, "num_block": 1},
        "RRDBNet": {"num_feat": 8, "num_block": 1},
        "SwinIR": {"embed_dim": 12, "depths": [2], "num_heads": [2], "img_size": 8},
    }[name]
    up = Upscaler(build_network({"type": name, "upscale": 2, **sizes}))
    assert up(random_image(shape, np.uint8)).shape == (2 * shape[0], 2 * shape[1], *shape[2:])


def test_the_result_is_that_of_the_network_on_the_whole_image() -> None:
    net = build_network(SMALL).eval()
    image = random_image((9, 11, 3), np.uint8)
    with torch.no_grad():
        output = net(torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255)
    expected = (output[0].clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()
    assert np.array_equal(Upscaler(net, precision="fp32")(image), expected)


def test_padding_is_cut_off_again() -> None:
    net = build_network({"type": "RRDBNet", "upscale": 1, "num_feat": 8, "num_block": 1})
    image = random_image((13, 10, 3), np.uint8)
    assert Upscaler(net)(image).shape == (13, 10, 3)


def test_gray_is_the_mean_of_the_colours_it_is_computed_as() -> None:
    net = build_network(SMALL)
    gray = random_image((8, 8), np.float32)
    colour = Upscaler(net)(np.repeat(gray[..., None], 3, axis=2))
    np.testing.assert_allclose(Upscaler(net)(gray), colour.mean(axis=2), atol=1e-3)


def test_a_network_of_gray_images_is_run_on_each_plane() -> None:
    net = build_network({**SMALL, "num_in_ch": 1, "num_out_ch": 1})
    image = random_image((8, 6, 3), np.uint8)
    up = Upscaler(net)
    planes = [up(np.ascontiguousarray(image[..., c])) for c in range(3)]
    assert np.array_equal(up(image), np.dstack(planes))


def test_colours_under_transparent_pixels_do_not_bleed() -> None:
    class Blur(nn.Module):
        upscale = 2

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return nn.functional.interpolate(
                x, scale_factor=2.0, mode="bicubic", align_corners=False
            )

    image = np.zeros((16, 16, 4), np.uint8)
    image[4:12, 4:12] = (200, 100, 50, 255)  # a square on transparent black
    larger = Upscaler(Blur())(image)
    visible = larger[larger[..., 3] > 0]
    assert np.abs(visible[:, :3].astype(int) - (200, 100, 50)).max() <= 1
    assert larger[16, 16, 3] == 255 and larger[0, 0, 3] == 0


def test_an_invisible_image_stays_one() -> None:
    image = random_image((4, 4, 4), np.uint8)
    image[..., 3] = 0
    assert (Upscaler(Nearest())(image)[..., 3] == 0).all()


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_values_that_are_not_finite_are_computed_again_in_fp32(precision: str) -> None:
    class Fragile(Nearest):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            larger = super().forward(x)
            lowered = torch.is_autocast_enabled("cpu")
            return larger * float("nan") if lowered else larger

    image = random_image((4, 4, 3), np.uint8)
    expected = image.repeat(2, axis=0).repeat(2, axis=1)
    assert np.array_equal(Upscaler(Fragile(), precision=precision)(image), expected)  # type: ignore[arg-type]


def test_a_result_that_is_never_finite_is_an_error_not_a_black_image() -> None:
    net = build_network(SMALL)
    net.get_parameter("conv_last.bias").data.fill_(float("nan"))
    with pytest.raises(AdasrError, match="not finite"):
        Upscaler(net)(random_image((4, 4, 3), np.uint8))


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_low_precision_stays_near_fp32(precision: str) -> None:
    net = build_network(SMALL)
    image = random_image((16, 16, 3), np.uint8)
    full = Upscaler(net, precision="fp32")(image).astype(int)
    assert np.abs(Upscaler(net, precision=precision)(image) - full).max() <= 3  # type: ignore[arg-type]


def test_a_network_keeps_its_training_mode_and_its_random_state() -> None:
    net = build_network(SMALL).train()
    net.get_submodule("conv_hr").eval()
    state = torch.get_rng_state()
    Upscaler(net, tile=8)(random_image((20, 20, 3), np.uint8))
    assert net.training and not net.get_submodule("conv_hr").training
    assert torch.equal(torch.get_rng_state(), state)


def test_weights_are_loaded_from_a_file(tmp_path: Path) -> None:
    net = build_network(SMALL)
    save_network(tmp_path / "net.safetensors", net)
    up = Upscaler(tmp_path / "net.safetensors", device="cpu")
    image = random_image((8, 8, 3), np.uint8)
    assert up.upscale == 2
    assert np.array_equal(up(image), Upscaler(net)(image))
    with pytest.raises(WeightsError):
        Upscaler(tmp_path / "other.safetensors")


def test_a_closed_one_lets_go_of_the_network_and_says_so() -> None:
    net = build_network(SMALL)
    seen = weakref.ref(net)
    with Upscaler(net, self_ensemble=True) as up:
        up(np.zeros((4, 4, 3), np.uint8))
    del net
    gc.collect()
    assert seen() is None
    for call in (up, lambda image: up.batch([image, image])):
        with pytest.raises(AdasrError, match="closed"):
            call(np.zeros((4, 4, 3), np.uint8))
    up.close()


def test_the_scale_of_a_foreign_network_is_measured() -> None:
    net = nn.Sequential(nn.Conv2d(3, 27, 3, padding=1), nn.PixelShuffle(3))
    up = Upscaler(net)
    assert up.upscale == 3
    assert up(random_image((4, 5, 3), np.uint8)).shape == (12, 15, 3)


def test_auto_makes_tiles_only_where_memory_asks_for_them(monkeypatch: pytest.MonkeyPatch) -> None:
    net = build_network(SMALL)
    image = random_image((120, 90, 3), np.uint8)
    counts: list[int] = []
    whole = Upscaler(net)(image, lambda _done, total: counts.append(total))
    assert counts == [1]
    counts.clear()
    monkeypatch.setattr(module, "available_bytes", lambda _device: 2**20)
    tiled = Upscaler(net)(image, lambda _done, total: counts.append(total))
    assert len(counts) == counts[0] > 1
    assert np.abs(whole.astype(int) - tiled).max() <= 1


def test_tiles_shrink_when_memory_runs_out() -> None:
    class Small(Nearest):
        holds = 4000

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if x.shape[-2] * x.shape[-1] > self.holds:
                raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to")
            return super().forward(x)

    image = random_image((200, 150, 3), np.uint8)
    expected = image.repeat(2, axis=0).repeat(2, axis=1)
    assert np.array_equal(Upscaler(Small(), tile=0)(image), expected)
    Small.holds = 100
    with pytest.raises(AdasrError, match="does not hold a tile"):
        Upscaler(Small(), tile=0)(image)


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((4, 4, 5), np.uint8),
        np.zeros((0, 4, 3), np.uint8),
        np.zeros((4, 4, 3), np.int32),
        np.full((4, 4, 3), 255.0),
        np.full((4, 4, 3), np.nan),
        np.zeros(4, np.uint8),
    ],
)
def test_what_is_no_image_is_refused(image: np.ndarray) -> None:
    with pytest.raises(ValueError):
        Upscaler(Nearest())(image)


@pytest.mark.parametrize(
    ("image", "problem"),
    [
        (None, "got NoneType"),
        ([[1, 2], [3, 4]], "got list"),
        (torch.zeros(0, 3, 4, 4), "the tensor is empty"),
    ],
)
def test_what_is_no_way_to_give_an_image_is_said(image: Any, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        Upscaler(Nearest())(image)


@pytest.mark.parametrize(
    ("arguments", "key"),
    [
        ({"precision": "int8"}, "precision"),
        ({"tile": -1}, "tile"),
        ({"tile": "big"}, "tile"),
        ({"device": "cuda:77"}, "device"),
        ({"device": "toaster"}, "device"),
    ],
)
def test_wrong_options_are_named(arguments: dict, key: str) -> None:
    with pytest.raises(OptionError) as error:
        Upscaler(Nearest(), **arguments)
    assert error.value.key == (key,) and "\n" not in str(error.value)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_the_gpu_gives_the_image_of_the_cpu(tmp_path: Path) -> None:
    net = build_network(SMALL)
    save_network(tmp_path / "net.safetensors", net)
    image = random_image((64, 48, 3), np.uint8)
    on_cpu = Upscaler(tmp_path / "net.safetensors", "cpu", "fp32")(image).astype(int)
    for precision in ("fp32", "fp16", "bf16"):
        up = Upscaler(tmp_path / "net.safetensors", device="cuda", precision=precision)
        assert np.abs(up(image) - on_cpu).max() <= (1 if precision == "fp32" else 3)
