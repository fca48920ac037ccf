"""Archs for BasicSR's registry."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from basicsr.archs import build_network as build_basicsr_network
from torch import nn

from ...errors import OptionError
from ...registry import ARCH_REGISTRY
from ...weights import build_network
from .regularized import regularize


def Regularized(arch: Mapping[str, Any], regularizer: Mapping[str, Any]) -> nn.Module:
    """Any arch of BasicSR's registry with a regularizer of adasr in it.

    The network is the arch's own, its state dict too, so weights go both ways between the plain
    and the regularized network.

    Args:
        arch: ``{type: NAME, **options}``, as under ``network_g`` of a BasicSR option file.
        regularizer: ``{type: AdaptiveDropout, p: 0.5, weight: 0.3, sites: [...], schedule:
            {type: LayerwiseAnnealing}}``, as in an option YAML of adasr.

    Raises:
        OptionError: no such arch, or the regularizer does not fit it.
    """
    if not isinstance(arch, Mapping) or "type" not in arch:
        raise OptionError(
            f"expected {{type: NAME, ...}}, got {arch!r}.",
            ("arch",),
            "E.g. arch: {type: EDSR, num_in_ch: 3, num_out_ch: 3}.",
        )
    net = build_basicsr_network(dict(arch))
    remember_arch(net, arch)
    return regularize(net, regularizer)


def remember_arch(net: nn.Module, arch: Mapping[str, Any]) -> None:
    """Let weights files tell which network of BasicSR they belong to.

    A name that adasr has too stands for adasr's network there, so its weights are recognized by
    their keys instead.

    Args:
        net: the network.
        arch: ``{type: NAME, **options}``, as under ``network_g``.
    """
    arch = arch["arch"] if arch["type"] == "Regularized" else arch
    if getattr(net, "arch_options", None) is None and arch["type"] not in ARCH_REGISTRY:
        vars(net)["arch_options"] = dict(arch)


def our_archs() -> list[Callable[..., nn.Module]]:
    """``AdaSRResNet`` and so on: adasr's archs, each with ``regularizer`` as a further option."""
    return [_arch(name) for name in ARCH_REGISTRY.names()]


def with_regularizer(network: Mapping[str, Any], regularizer: Any) -> dict[str, Any]:
    """The options under ``network_g`` for the same network with a regularizer in it.

    Raises:
        OptionError: it has one already.
    """
    if "regularizer" in network:
        raise OptionError(
            "is given twice, here and under network_g.", ("regularizer",), "Remove one of them."
        )
    if str(network.get("type")) in [f"Ada{name}" for name in ARCH_REGISTRY.names()]:
        return {**network, "regularizer": regularizer}
    return {"type": "Regularized", "arch": network, "regularizer": regularizer}


def _arch(name: str) -> Callable[..., nn.Module]:
    def build(regularizer: Mapping[str, Any] | None = None, **options: Any) -> nn.Module:
        net = build_network({"type": name, **options})
        return net if regularizer is None else regularize(net, regularizer)

    build.__name__ = f"Ada{name}"
    build.__doc__ = ARCH_REGISTRY.doc(name)
    return build
