"""SRResNet and RRDBNet equal BasicSR's and the authors' networks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from adasr.archs.detect import canonical_keys, detect
from adasr.archs.rrdbnet import RRDBNet
from adasr.archs.srresnet import SRResNet
from adasr.errors import OptionError
from adasr.registry import ARCH_REGISTRY

GOLDEN = Path(__file__).parent / "golden" / "basicsr_archs.safetensors"
CASES = [("SRResNet", s) for s in (2, 3, 4)] + [("RRDBNet", s) for s in (1, 2, 4)]


def small(name: str, upscale: int) -> torch.nn.Module:
    sizes = {"num_block": 1, "num_grow_ch": 2} if name == "RRDBNet" else {"num_block": 2}
    return ARCH_REGISTRY.build({"type": name, "upscale": upscale, "num_feat": 4, **sizes})


def part(tensors: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


@pytest.mark.parametrize(("name", "upscale"), CASES)
def test_stored_outputs_of_basicsr_are_reproduced(name: str, upscale: int) -> None:
    golden = part(load_file(GOLDEN), f"{name}_x{upscale}.")
    net = small(name, upscale)
    net.load_state_dict(part(golden, "state."))
    torch.testing.assert_close(net(golden["input"]), golden["output"], rtol=0, atol=1e-6)


@pytest.mark.parametrize(("name", "upscale"), CASES)
def test_equals_basicsr_with_the_same_state_dict(name: str, upscale: int, basicsr: None) -> None:
    from basicsr.archs.rrdbnet_arch import RRDBNet as TheirRRDBNet
    from basicsr.archs.srresnet_arch import MSRResNet

    torch.manual_seed(upscale)
    if name == "SRResNet":
        theirs = MSRResNet(num_feat=4, num_block=2, upscale=upscale)
    else:
        theirs = TheirRRDBNet(3, 3, scale=upscale, num_feat=4, num_block=1, num_grow_ch=2)
    ours = small(name, upscale)
    ours.load_state_dict(theirs.state_dict())
    theirs.load_state_dict(ours.state_dict())  # and the way back
    images = torch.rand(2, 3, 12, 8)
    torch.testing.assert_close(ours(images), theirs(images), rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    "file", ["xu2025_srresnet_details_x4.safetensors", "kong2022_srresnet_x4.safetensors"]
)
def test_outputs_of_the_released_networks_are_reproduced(shared: Path, file: str) -> None:
    golden = load_file(shared / "golden" / file)
    state = canonical_keys(part(golden, "state."))
    options = detect(state)
    assert options == {
        "type": "SRResNet",
        "num_in_ch": 3,
        "num_out_ch": 3,
        "num_feat": 8,
        "num_block": 16,
        "upscale": 4,
    }
    assert options is not None
    net = ARCH_REGISTRY.build(options).eval()
    net.load_state_dict(state)
    torch.testing.assert_close(net(golden["input"]), golden["output"], rtol=0, atol=1e-5)


@pytest.mark.parametrize("upscale", [1, 2, 3, 4, 8])
def test_srresnet_starts_near_the_bilinear_enlargement(upscale: int) -> None:
    net = SRResNet(num_feat=8, num_block=2, upscale=upscale)
    images = torch.rand(1, 3, 6, 5)
    expected = torch.nn.functional.interpolate(
        images, size=(6 * upscale, 5 * upscale), mode="bilinear", align_corners=False
    )
    assert net(images).shape == expected.shape
    assert (net(images) - expected).abs().max() < 0.1


@pytest.mark.parametrize("upscale", [1, 2, 3, 4, 8])
def test_srresnet_options_are_read_from_its_keys(upscale: int) -> None:
    net = SRResNet(num_in_ch=1, num_out_ch=1, num_feat=6, num_block=3, upscale=upscale)
    assert detect(net.state_dict()) == {
        "type": "SRResNet",
        "num_in_ch": 1,
        "num_out_ch": 1,
        "num_feat": 6,
        "num_block": 3,
        "upscale": upscale,
    }


@pytest.mark.parametrize("upscale", [1, 2, 4])
def test_rrdbnet_options_are_read_from_its_keys(upscale: int) -> None:
    net = RRDBNet(upscale=upscale, num_feat=6, num_block=2, num_grow_ch=3)
    assert detect(net.state_dict()) == {
        "type": "RRDBNet",
        "num_in_ch": 3,
        "num_out_ch": 3,
        "upscale": upscale,
        "num_feat": 6,
        "num_block": 2,
        "num_grow_ch": 3,
    }


def test_keys_of_other_networks_are_not_taken_for_ours() -> None:
    state = SRResNet(num_feat=4, num_block=1).state_dict()
    assert detect({**state, "conv_after_body.weight": torch.zeros(4, 4, 3, 3)}) is None
    del state["conv_last.weight"]
    assert detect(state) is None
    assert detect({"weight": torch.zeros(3)}) is None


@pytest.mark.parametrize("name", ["SRResNet", "RRDBNet"])
def test_a_site_keeps_its_value_after_the_forward_pass(name: str) -> None:
    # Feature analysis keeps what a site gives; an activation in place would change it later.
    net = small(name, 4)
    layer = net.get_submodule("body.0.conv1" if name == "SRResNet" else "body.0.rdb3")
    kept: list[tuple[torch.Tensor, torch.Tensor]] = []

    def keep(_module: torch.nn.Module, _inputs: Any, output: torch.Tensor) -> None:
        kept.append((output, output.clone()))

    layer.register_forward_hook(keep)
    net(torch.rand(1, 3, 8, 8))
    assert torch.equal(*kept[0])


@pytest.mark.parametrize(
    ("options", "key"),
    [
        ({"type": "SRResNet", "upscale": 5}, "upscale"),
        ({"type": "RRDBNet", "upscale": 3}, "upscale"),
        ({"type": "SRResNet", "num_feat": 0}, "num_feat"),
        ({"type": "SRResNet", "num_out_ch": 1}, "num_out_ch"),
        ({"type": "RRDBNet", "num_block": -1}, "num_block"),
        ({"type": "SwinIR", "embed_dim": 62}, "embed_dim"),
        ({"type": "SwinIR", "depths": [6, 6]}, "num_heads"),
        ({"type": "SwinIR", "upsampler": "nearest+conv", "upscale": 3}, "upscale"),
        ({"type": "SwinIR", "upsampler": "bicubic"}, "upsampler"),
        ({"type": "HAT", "window_size": 0}, "window_size"),
        ({"type": "DAT", "split_size": [8]}, "split_size"),
        ({"type": "DAT", "num_heads": [3] * 6}, "num_heads"),
        ({"type": "SPAN", "num_in_ch": 1}, "num_in_ch"),
        ({"type": "RealPLKSR", "kernel_size": 4}, "kernel_size"),
        ({"type": "RealPLKSR", "split_ratio": 0.001}, "split_ratio"),
        ({"type": "Compact", "num_out_ch": 1}, "num_out_ch"),
    ],
)
def test_a_value_out_of_range_is_named(options: dict, key: str) -> None:
    with pytest.raises(OptionError) as error:
        ARCH_REGISTRY.build(options)
    assert error.value.key[0] == key
