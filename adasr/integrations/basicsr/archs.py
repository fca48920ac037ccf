"""Archs for BasicSR's registry."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from basicsr.archs import build_network as build_basicsr_network
from basicsr.utils.registry import ARCH_REGISTRY as BASICSR_ARCHS
from torch import nn

from ...errors import OptionError, did_you_mean
from ...registry import ARCH_REGISTRY
from ...weights import build_network
from .regularized import regularize

_TOLD_BY_KEYS = ("MSRResNet", "SRVGGNetCompact")


def Regularized(
    arch: Mapping[str, Any], regularizer: Mapping[str, Any], window_size: int | None = None
) -> nn.Module:
    """Any arch of BasicSR's registry with a regularizer of adasr in it.

    The network is the arch's own, its state dict too, so weights go both ways between the plain
    and the regularized network.

    Args:
        arch: ``{type: NAME, **options}``, as under ``network_g`` of a BasicSR option file.
        regularizer: ``{type: AdaptiveDropout, p: 0.5, weight: 0.3, sites: [...], schedule:
            {type: LayerwiseAnnealing}}``, as in an option YAML of adasr.
        window_size: that of the arch; for BasicSR's ``SwinIRModel``, which looks for it here.

    Raises:
        OptionError: no such arch, it refuses an option, or the regularizer does not fit it.
    """
    if not isinstance(arch, Mapping) or "type" not in arch:
        raise OptionError(
            f"expected {{type: NAME, ...}}, got {arch!r}.",
            ("arch",),
            "E.g. arch: {type: EDSR, num_in_ch: 3, num_out_ch: 3}.",
        )
    name, known = str(arch["type"]), {key.removesuffix("_basicsr") for key, _ in BASICSR_ARCHS}
    if name not in known:
        hint = did_you_mean(name, known)
        raise OptionError(f"BasicSR has no arch '{name}'.", ("arch", "type"), hint)
    given = dict(arch) if window_size is None else {"window_size": window_size, **arch}
    try:
        net = build_basicsr_network(given)
    except (TypeError, AssertionError) as error:  # an option that is unknown or out of range
        raise OptionError(f"{name} cannot be built: {error}.", ("arch",)) from None
    remember_arch(net, given)
    return regularize(net, regularizer)


def remember_arch(net: nn.Module, arch: Mapping[str, Any]) -> None:
    """Let weights files tell which network of BasicSR they belong to.

    Where the keys tell the network they are left to, so that adasr needs no BasicSR to read them;
    a name that adasr has too would stand for its own network there.

    Args:
        net: the network.
        arch: ``{type: NAME, **options}`` that it was built from.
    """
    told = arch["type"] in _TOLD_BY_KEYS or arch["type"] in ARCH_REGISTRY
    if getattr(net, "arch_options", None) is None and not told:
        vars(net)["arch_options"] = dict(arch)


def our_archs() -> list[Callable[..., nn.Module]]:
    """``AdaSRResNet`` and so on: adasr's archs."""
    return [_arch(name) for name in ARCH_REGISTRY.names()]


def _arch(name: str) -> Callable[..., nn.Module]:
    def build(**options: Any) -> nn.Module:
        return build_network({"type": name, **options})

    build.__name__ = f"Ada{name}"
    build.__doc__ = ARCH_REGISTRY.doc(name)
    return build
