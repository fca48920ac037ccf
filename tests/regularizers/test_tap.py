"""A tap shows one feature and changes nothing."""

from __future__ import annotations

import gc
import weakref

import pytest
import torch
from torch import Tensor, nn

from adasr.archs.rrdbnet import RRDBNet
from adasr.archs.srresnet import SRResNet
from adasr.errors import OptionError
from adasr.regularizers.channel_dropout import ChannelDropout
from adasr.regularizers.sites import attach, detach
from adasr.regularizers.tap import FeatureTap, find_site


@pytest.fixture
def net() -> SRResNet:
    return SRResNet(num_feat=8, num_block=2, upscale=2)


@pytest.fixture
def x() -> Tensor:
    return torch.rand(2, 3, 6, 6)


def last_feature(net: SRResNet, x: Tensor) -> Tensor:
    features = net.body(nn.functional.leaky_relu(net.conv_first(x), 0.1))
    larger = nn.functional.pixel_shuffle(net.get_submodule("upconv1")(features), 2)
    return nn.functional.leaky_relu(net.conv_hr(nn.functional.leaky_relu(larger, 0.1)), 0.1)


def test_the_last_feature_is_the_activated_input_of_the_last_convolution(
    net: SRResNet, x: Tensor
) -> None:
    expected, keys = net(x), list(net.state_dict())
    tap = FeatureTap(net, "last")
    assert torch.equal(net(x), expected)
    assert torch.equal(tap.take(), last_feature(net, x))
    assert list(net.state_dict()) == keys


@pytest.mark.parametrize("site", ["last", "body.0.conv1"])
@pytest.mark.parametrize("tap_first", [True, False])
def test_it_sees_the_feature_before_the_regularizer(
    net: SRResNet, x: Tensor, site: str, tap_first: bool
) -> None:
    plain = FeatureTap(net, site)
    net(x)
    expected = plain.take()
    plain.remove()
    if tap_first:
        tap = FeatureTap(net, site)
        attach(net, ChannelDropout(p=0.9), site)
    else:
        attach(net, ChannelDropout(p=0.9), site)
        tap = FeatureTap(net, site)
    undropped = net.eval()(x)
    assert not torch.allclose(net.train()(x), undropped)  # the regularizer acts
    assert torch.equal(tap.take(), expected)


def test_gradients_flow_through_it_and_nothing_is_kept(net: SRResNet, x: Tensor) -> None:
    tap = FeatureTap(net, "last")
    net(x)
    feature = tap.take()
    feature.sum().backward()
    assert net.conv_first.weight.grad is not None
    with pytest.raises(RuntimeError, match="no forward pass"):
        tap.take()
    graph = weakref.ref(feature)
    del feature
    gc.collect()
    assert graph() is None


def test_removing_it_leaves_no_trace(net: SRResNet, x: Tensor) -> None:
    tap = FeatureTap(net, "last")
    attach(net, ChannelDropout())
    tap.remove()
    detach(net)
    assert not any(m._forward_pre_hooks or m._forward_hooks for m in net.modules())
    net(x)
    with pytest.raises(RuntimeError):
        tap.take()


@pytest.mark.slow
def test_a_compiled_network_shows_the_same_feature_and_gradient(net: SRResNet, x: Tensor) -> None:
    attach(net, ChannelDropout(p=0.5))
    tap = FeatureTap(net, "last")
    model = torch.compile(net)
    for _ in range(2):  # the second time without compiling
        expected = last_feature(net, x)
        (wanted,) = torch.autograd.grad(expected.square().mean(), net.conv_first.weight)
        sr = model(x)
        feature = tap.take()
        torch.testing.assert_close(feature, expected)
        loss = feature.square().mean() + 0 * sr.mean()
        (gradient,) = torch.autograd.grad(loss, net.conv_first.weight)
        torch.testing.assert_close(gradient, wanted, atol=1e-6, rtol=1e-4)


def test_a_site_is_one_place_with_features(net: SRResNet, x: Tensor) -> None:
    assert find_site(net, "last", x) == "conv_last:input"
    assert find_site(RRDBNet(num_feat=8, num_block=1), "last") == "conv_last:input"
    with pytest.raises(OptionError, match=r"site: 'body\.\*\.conv1' stands for 2 sites\. One of:"):
        find_site(net, "body.*.conv1")
    with pytest.raises(OptionError, match=r"site: 'conv_lst' matches no module .*conv_last"):
        find_site(net, "conv_lst")
    net.add_module("unused", nn.Identity())
    with pytest.raises(OptionError, match=r"site: 'unused' is not reached"):
        find_site(net, "unused", x)
    net.conv_last = nn.Sequential(net.conv_last, nn.Flatten(), nn.Unflatten(1, (3, 12, 12)))  # type: ignore[assignment]
    with pytest.raises(OptionError, match=r"site: 'conv_last\.1' is of shape \(2, 432\)"):
        find_site(net, "conv_last.1", x)
