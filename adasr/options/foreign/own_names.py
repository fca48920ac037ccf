"""The names that adasr's own components have in BasicSR's registries."""

from __future__ import annotations

from ...registry import ARCH_REGISTRY, DATASET_REGISTRY, LOSS_REGISTRY, METRIC_REGISTRY, Registry
from .draft import Draft
from .report import Key

_LOSSES = ("pixel_opt", "perceptual_opt", "align_opt")


def take_own_names(draft: Draft) -> None:
    """``AdaSRResNet`` is our ``SRResNet``, and so on; ``Regularized`` is a network in another."""
    _unwrap_network(draft)
    _take_name(draft, ("network_g", "type"), ARCH_REGISTRY, "Ada")
    if draft.has("network_g", "regularizer"):
        if draft.has("regularizer"):
            hint = "Remove one of them."
            draft.refuse(("regularizer",), "is given twice, here and under network_g.", hint)
        draft.move(("network_g", "regularizer"), ("regularizer",))
    for name in draft.section("datasets"):
        _take_name(draft, ("datasets", name, "type"), DATASET_REGISTRY, "Ada")
    for name in _LOSSES:
        _take_name(draft, ("train", name, "type"), LOSS_REGISTRY, "Ada")
    for label in draft.section("val", "metrics"):
        _take_name(draft, ("val", "metrics", label, "type"), METRIC_REGISTRY, "ada_")


def _take_name(draft: Draft, key: Key, registry: Registry, prefix: str) -> None:
    name = draft.get(*key)
    ours = name.removeprefix(prefix) if isinstance(name, str) else name
    if ours != name and ours in registry:
        draft.change(key, ours)


def _unwrap_network(draft: Draft) -> None:
    """``{type: Regularized, arch: {...}, regularizer: {...}}`` as two sections."""
    network = draft.section("network_g")
    if network.get("type") != "Regularized" or not isinstance(network.get("arch"), dict):
        return
    arch = network["arch"]
    for option in arch:
        draft.origins["network_g", option] = ("network_g", "arch", option)
    kept = {k: v for k, v in network.items() if k not in ("type", "arch", "window_size")}
    draft.options["network_g"] = {**kept, **arch}
    draft.report.changed(("network_g",), ": Regularized -> network_g and regularizer")
