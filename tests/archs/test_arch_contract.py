"""What every network says of itself holds: scale, size multiple, sites."""

from __future__ import annotations

import copy
import re
from typing import Any

import pytest
import torch
from torch import nn

from adasr.losses.alignment import FeatureAlignment
from adasr.registry import ARCH_REGISTRY
from adasr.regularizers.tap import FeatureTap, find_site
from adasr.weights import build_network

TINY = {
    "SRResNet": {"num_feat": 8, "num_block": 2},
    "RRDBNet": {"num_feat": 8, "num_block": 2, "num_grow_ch": 4},
    "SwinIR": {"embed_dim": 12, "depths": [2, 2], "num_heads": [2, 2], "img_size": 16},
    "HAT": {
        "embed_dim": 12,
        "depths": [2, 2],
        "num_heads": [2, 2],
        "window_size": 4,
        "squeeze_factor": 4,
    },
    "DAT": {
        "embed_dim": 32,
        "depth": [2, 2],
        "num_heads": [2, 2],
        "split_size": [2, 4],
        "img_size": 16,
    },
    "SPAN": {"feature_channels": 8},
    "RealPLKSR": {"dim": 8, "n_blocks": 2},
    "Compact": {"num_feat": 8, "num_conv": 2},
}
BLOCKS = {
    "SRResNet": 2,
    "RRDBNet": 2,
    "SwinIR": 2,
    "HAT": 2,
    "DAT": 2,
    "SPAN": 6,
    "RealPLKSR": 2,
    "Compact": 2,
}


def tiny(name: str, upscale: int = 2) -> Any:
    return build_network({"type": name, "upscale": upscale, **TINY[name]})


def modules_at(net: nn.Module, site: str) -> list[nn.Module]:
    pattern = re.escape(site.removesuffix(":input")).replace(r"\*", "[^.]+")
    return [module for name, module in net.named_modules() if re.fullmatch(pattern, name)]


def test_every_built_in_network_is_tested_here() -> None:
    ours = [n for n in ARCH_REGISTRY.names() if ARCH_REGISTRY.get(n).__module__.startswith("adasr")]
    assert sorted(TINY) == sorted(ours)


@pytest.mark.parametrize("name", TINY)
@pytest.mark.parametrize("upscale", [1, 2, 3, 4, 8])
def test_the_output_is_upscale_times_larger(name: str, upscale: int) -> None:
    if name == "RRDBNet" and upscale in (3, 8):
        pytest.skip("RRDBNet has no such scale")
    net = tiny(name, upscale).eval()
    assert net.upscale == upscale
    side = 2 * net.size_multiple
    with torch.no_grad():
        output = net(torch.rand(1, 3, side, 3 * side))
    assert output.shape == (1, 3, side * upscale, 3 * side * upscale)
    assert output.isfinite().all()


@pytest.mark.parametrize("name", TINY)
def test_default_sites_give_one_feature_per_block_and_the_last_input(name: str) -> None:
    net = tiny(name)
    *block_sites, last = net.default_sites
    features: list[torch.Tensor] = []

    def keep(_module: nn.Module, _inputs: Any, output: torch.Tensor) -> None:
        features.append(output)

    for site in block_sites:
        assert not site.endswith(":input")
        for module in modules_at(net, site):
            module.register_forward_hook(keep)
    assert last.endswith(":input")
    (convolution,) = modules_at(net, last)
    assert isinstance(convolution, nn.Conv2d)
    convolution.register_forward_pre_hook(lambda _m, inputs: features.append(inputs[0]))

    side = 2 * net.size_multiple * 4
    net(torch.rand(2, 3, side, side))

    assert len(features) == BLOCKS[name] + 1
    for feature in features:  # (N, C, H, W), or tokens (N, L, C)
        assert isinstance(feature, torch.Tensor)
        assert feature.ndim in (3, 4) and feature.shape[0] == 2
    assert features[-1].shape[1] == convolution.in_channels
    later = [m for m in net.modules() if isinstance(m, nn.Conv2d)]
    assert later[-1] is convolution  # nothing is convolved after it


@pytest.mark.parametrize("name", TINY)
def test_training_is_deterministic_and_every_parameter_learns(name: str) -> None:
    # No dropout, no stochastic depth: regularization comes from outside alone.
    net = tiny(name).train()
    images = torch.rand(2, 3, 16, 16)
    state = torch.get_rng_state()
    first, second = net(images), net(images)
    assert torch.equal(torch.get_rng_state(), state)
    torch.testing.assert_close(first, second)
    first.sum().backward()
    without = [n for n, p in net.named_parameters() if p.requires_grad and p.grad is None]
    # SPAN's merged convolutions serve evaluation only; HAT's and SwinIR's parts are all used.
    assert [n for n in without if "eval_conv" not in n] == []


@pytest.mark.parametrize("name", TINY)
def test_a_deep_copy_has_the_same_attributes_and_output(name: str) -> None:
    net = tiny(name).eval()
    twin = copy.deepcopy(net)
    for attribute in ("upscale", "default_sites", "size_multiple", "arch_options"):
        assert getattr(twin, attribute) == getattr(net, attribute)
    images = torch.rand(1, 3, 16, 16)
    with torch.no_grad():
        torch.testing.assert_close(twin(images), net(images))


@pytest.mark.parametrize("name", ["SwinIR", "Compact"])
def test_spandrel_networks_equal_basicsr(name: str, basicsr: None) -> None:
    if name == "SwinIR":
        from basicsr.archs.swinir_arch import SwinIR

        theirs = SwinIR(
            img_size=16,
            embed_dim=12,
            depths=[2, 2],
            num_heads=[2, 2],
            window_size=8,
            mlp_ratio=2,
            upscale=2,
            img_range=1.0,
            upsampler="pixelshuffle",
            resi_connection="1conv",
        )
    else:
        from basicsr.archs.srvgg_arch import SRVGGNetCompact

        theirs = SRVGGNetCompact(num_feat=8, num_conv=2, upscale=2)
    ours = tiny(name).eval()
    ours.load_state_dict(theirs.eval().state_dict())
    images = torch.rand(1, 3, 16, 24)
    with torch.no_grad():
        torch.testing.assert_close(ours(images), theirs(images), rtol=0, atol=1e-5)


def test_a_network_of_basicsr_gets_the_attributes_too(basicsr: None) -> None:
    net: Any = build_network({"type": "EDSR", "num_in_ch": 3, "num_out_ch": 3, "num_block": 1})
    assert (net.upscale, net.size_multiple) == (4, 1)
    assert net.default_sites == ("body.*.conv1", "conv_last:input")
    assert net.arch_options["type"] == "EDSR" and net.arch_options["num_feat"] == 64


@pytest.mark.parametrize("name", TINY)
def test_features_of_two_degradations_can_be_aligned(name: str) -> None:
    """Feature alignment trains every network, up to the feature and not beyond it."""
    net = tiny(name).train()
    side = 2 * net.size_multiple
    lq = torch.rand(4, 3, side, side)
    find_site(net, "last", lq[:1])  # the check at the start of a training
    tap = FeatureTap(net, "last")
    net(lq)
    sum(FeatureAlignment()(tap.take()).values(), torch.zeros(())).backward()
    first = next(p for p in net.parameters() if p.requires_grad)
    assert first.grad is not None
    assert first.grad.isfinite().all()
    assert first.grad.abs().max() > 0
