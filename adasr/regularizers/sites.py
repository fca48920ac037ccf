"""Where a regularizer acts: hooks on named modules, put on with ``attach`` and off with ``detach``.

A site is a module's output (``"body.*.conv1"``) or its first input (``"conv_last:input"``). ``*``
stands for one part of a name, ``**`` for any number of parts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..errors import OptionError, did_you_mean
from .base import Regularizer

RESERVED_PREFIX = "adasr_regularizers"
INPUT = ":input"
"""Ends the name of a site that is a module's first input."""
_DDP_IGNORES = "_ddp_params_and_buffers_to_ignore"  # where DistributedDataParallel looks
_COMPILED = "_orig_mod."
_BY_KEYWORD = "the module at a site gets its input by keyword; use the output of another module."


@dataclass(eq=False)
class Site:
    """One place where a regularizer acts, e.g. ``name="body.0.conv1"``."""

    name: str
    regularizer: Regularizer

    @property
    def weight(self) -> float:
        """Share of the feature before the regularizer; 1 means that the site does nothing."""
        return self.regularizer.weight

    @weight.setter
    def weight(self, value: float) -> None:
        self.regularizer.weight = value  # type: ignore[misc]  # subclasses that blend have a setter


# Hooks are objects, not closures: deepcopy and pickle then carry them, and the copy's hooks hold
# the copy's regularizers.
class _OutputHook:
    def __init__(self, regularizer: Regularizer) -> None:
        self.regularizer = regularizer

    def __call__(self, module: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> Tensor:
        return self.regularizer(output)


class _InputHook:
    def __init__(self, regularizer: Regularizer) -> None:
        self.regularizer = regularizer

    def __call__(self, module: nn.Module, args: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        if not args:
            raise OptionError(_BY_KEYWORD, ("sites",))
        return (self.regularizer(args[0]), *args[1:])


class _Regularizers(nn.ModuleList):
    """Makes the regularizers part of the network: its device, its mode, its parameters."""

    def forward(self, x: Tensor) -> Tensor:
        """``x``: a network that is a plain ``Sequential`` runs this child too."""
        return x


def attach(
    net: nn.Module,
    regularizer: Regularizer,
    sites: str | Sequence[str] | None = None,
    example: Tensor | None = None,
) -> list[Site]:
    """Put a copy of ``regularizer`` at every site of ``net``, in place.

    The network's ``state_dict`` stays as it is, but for parameters of regularizers that learn,
    which stand under ``adasr_regularizers.``.

    Args:
        net: any network; a plain one (not compiled, not wrapped for several processes).
        regularizer: the prototype; it is copied, not used itself.
        sites: ``"default"`` (all that the network names), ``"last"`` (the last of them), or
            patterns on module names; the regularizer's own default if None.
        example: an input (N, C, H, W). With it the sites are ordered by a forward pass and each is
            checked to be reached; without it they keep the order of the network's definition.

    Returns:
        The sites, ordered from input to output.

    Raises:
        OptionError: a pattern matches nothing, the network names no sites, something is attached
            already, or a site is not reached or gives no tensor.
    """
    if hasattr(net, RESERVED_PREFIX):
        raise OptionError("the network carries a regularizer already.", hint="Call detach first.")
    names = find_sites(net, regularizer.default_sites if sites is None else sites)
    seen = probe(net, names, example) if example is not None else {}
    if seen:
        names = list(seen)
    modules = dict(net.named_modules())
    placed: list[Site] = []
    for name in names:
        module = modules[name.removesuffix(INPUT)]
        copied = regularizer.for_site(_channels(module, name, seen.get(name)))
        placed.append(Site(name, copied.train(net.training)))
    for site in placed:
        module = modules[site.name.removesuffix(INPUT)]
        if site.name.endswith(INPUT):
            module.register_forward_pre_hook(_InputHook(site.regularizer))
        else:
            module.register_forward_hook(_OutputHook(site.regularizer))
    if placed:
        container = _Regularizers(site.regularizer for site in placed)
        parameter = next(net.parameters(), None)
        net.add_module(
            RESERVED_PREFIX, container if parameter is None else container.to(parameter.device)
        )
        # Every process sets the weights itself. DistributedDataParallel would send them before each
        # forward pass, and a validation in one process alone would wait for the others for ever.
        held = [f"{RESERVED_PREFIX}.{name}" for name, _ in container.named_buffers()]
        # torch.compile puts a part of its own before the names that are looked for here.
        own = {before + name for name in held for before in ("", _COMPILED)}
        vars(net)[_DDP_IGNORES] = {*vars(net).get(_DDP_IGNORES, ()), *own}
    return placed


def detach(net: nn.Module) -> None:
    """Take everything that ``attach`` put on ``net`` off again; nothing happens without any."""
    for module in net.modules():
        for hooks in (module._forward_hooks, module._forward_pre_hooks):
            for key in [
                k for k, hook in hooks.items() if isinstance(hook, _OutputHook | _InputHook)
            ]:
                del hooks[key]
    if hasattr(net, RESERVED_PREFIX):
        delattr(net, RESERVED_PREFIX)
    ignored = vars(net).pop(_DDP_IGNORES, ())
    others = {n for n in ignored if not n.removeprefix(_COMPILED).startswith(RESERVED_PREFIX)}
    if others:
        vars(net)[_DDP_IGNORES] = others


def find_sites(net: nn.Module, sites: str | Sequence[str]) -> list[str]:
    """Names of the modules' outputs and inputs that ``sites`` stands for, in definition order.

    Raises:
        OptionError: a pattern matches nothing, or the network names no sites of its own.
    """
    if sites == "none":
        return []
    if sites in ("default", "last"):
        own = getattr(net, "default_sites", None)
        if not own:
            raise OptionError(
                f"{type(net).__name__} names no sites of its own.",
                ("sites",),
                'Give patterns on module names, e.g. ["body.*.conv1", "conv_last:input"].',
            )
        patterns = own if sites == "default" else own[-1:]
    else:
        patterns = (sites,) if isinstance(sites, str) else tuple(sites)
    names = [name for name, _ in net.named_modules() if name]
    order = {name: i for i, name in enumerate(names)}
    found: dict[str, None] = {}
    for pattern in patterns:
        stem, suffix = pattern.removesuffix(INPUT), INPUT if pattern.endswith(INPUT) else ""
        expression = re.compile(re.escape(stem).replace(r"\*\*", ".+").replace(r"\*", "[^.]+"))
        matches = [name for name in names if expression.fullmatch(name)]
        if not matches:
            hint = did_you_mean(stem, names) if len(names) < 60 or "*" not in stem else ""
            raise OptionError(
                f"'{pattern}' matches no module of {type(net).__name__}.", ("sites",), hint
            )
        found.update(dict.fromkeys(match + suffix for match in matches))
    return sorted(found, key=lambda name: order[name.removesuffix(INPUT)])


def probe(net: nn.Module, names: list[str], example: Tensor) -> dict[str, Tensor]:
    """The feature at each site in the order of the forward pass; leaves no trace on ``net``.

    Raises:
        OptionError: a site is not reached or gives no tensor.
    """
    seen: dict[str, Tensor] = {}
    modules = dict(net.named_modules())
    handles = []
    for name in names:
        module = modules[name.removesuffix(INPUT)]
        if name.endswith(INPUT):
            handles.append(module.register_forward_pre_hook(_recorder(seen, name)))
        else:
            handles.append(module.register_forward_hook(_recorder(seen, name)))
    modes = {module: module.training for module in net.modules()}
    try:
        net.eval()
        with torch.no_grad():
            net(example)
    finally:
        for handle in handles:
            handle.remove()
        for module, mode in modes.items():
            module.training = mode
    for name in names:
        if name not in seen:
            raise OptionError(f"'{name}' is not reached in a forward pass.", ("sites",))
        if not isinstance(seen[name], Tensor):
            kind = type(seen[name]).__name__
            raise OptionError(f"'{name}' gives a {kind}, not one tensor.", ("sites",))
    return seen


def _recorder(seen: dict[str, Tensor], name: str) -> Callable[..., None]:
    def record(module: nn.Module, args: tuple[Tensor, ...], output: Tensor | None = None) -> None:
        if output is None and not args:
            raise OptionError(_BY_KEYWORD, ("sites",))
        seen.setdefault(name, args[0] if output is None else output)

    return record


def _channels(module: nn.Module, name: str, feature: Tensor | None) -> int | None:
    """Channels at a site, from its feature where one was seen, else from the module."""
    if feature is not None:
        return feature.shape[1 if feature.dim() == 4 else -1]
    side = (
        ("in_channels", "in_features") if name.endswith(INPUT) else ("out_channels", "out_features")
    )
    for attribute in (*side, "num_features"):
        value = getattr(module, attribute, None)
        if isinstance(value, int):
            return value
    return None
