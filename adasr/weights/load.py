"""Networks from weights files, and weights into networks."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..archs.detect import Recognition, recognize
from ..archs.keys import OURS, canonical_keys
from ..errors import OptionError, WeightsError
from .build import build_network, network_scale
from .community import load_with_spandrel
from .fit import Fit, Holder, check_finite, compare, fill, misfit
from .names import name_of_options, scale_of
from .others import name_other
from .save import unwrap
from .state import read


@dataclass(frozen=True)
class Loaded:
    """A network with its weights, and how it was found.

    Attributes:
        net: the network, on the CPU, in evaluation mode.
        state: its weights, with the keys that its file is read by.
        metadata: what the file says of itself.
        layout: whose key names the file has, as ``adasr convert`` calls it.
        why: how the network was recognized.
    """

    net: nn.Module
    state: dict[str, Tensor]
    metadata: dict[str, str]
    layout: str
    why: str


def load_network(
    path: str | Path, device: str | torch.device = "cpu", key: str | None = None
) -> nn.Module:
    """The network that a weights file belongs to, with its weights, in evaluation mode.

    Architecture and scale come from the metadata of files that adasr wrote, else from the key
    names and shapes: SRResNet and RRDBNet of BasicSR, MMSR, ESRGAN, Real-ESRGAN and the papers'
    authors, and all that spandrel knows. Its outputs are not clamped.

    Args:
        path: a ``.safetensors`` or ``.pth`` file.
        device: where the network goes.
        key: which weights of a ``.pth`` file, e.g. ``"params"`` where it holds EMA weights too;
            these are taken by default.

    Raises:
        WeightsError: missing, damaged, refused, not finite, or of no known network.
    """
    return identify(path, key).net.to(device)


def identify(
    path: str | Path, key: str | None = None, options: Mapping[str, Any] | None = None
) -> Loaded:
    """As ``load_network``, together with how the network was found.

    Args:
        path: the file.
        key: which weights in it.
        options: the network, where the user names it: ``{"type": name, ...}``.

    Raises:
        OptionError: ``options`` name no network.
        WeightsError: missing, damaged, refused, not finite, or of no known or another network.
    """
    path = Path(path)
    raw, metadata = read(path, key)
    recognition = recognize(raw)
    layout = recognition.layout if recognition is not None else OURS
    if options is not None:
        net, state = _filled(build_network(options), raw, path, _holder(recognition))
        return Loaded(net, state, metadata, layout, "by the options given")
    written = _arch_of(metadata, path)
    if written is not None:
        holder = Holder(name_of_options(written), scale_of(written), "its metadata says so")
        net, state = _filled(_build(written, path), raw, path, holder)
        return Loaded(net, state, metadata, layout, "by its metadata")
    if recognition is not None and recognition.exact:
        net = build_network(recognition.options)
        net, state = _filled(net, raw, path, _holder(recognition))
        return Loaded(net, state, metadata, layout, f"by its keys: {recognition.why}")
    try:
        net, name = load_with_spandrel(raw, path)
    except WeightsError as error:
        raise _nearest_misfit(raw, recognition, path) or error from None
    check_finite(net.named_parameters(), path)
    return Loaded(net.eval(), raw, metadata, OURS, f"by spandrel, as {name}")


def load_into(
    net: nn.Module, path: str | Path, strict: bool = True, key: str | None = None
) -> list[str]:
    """Load the weights in a file into ``net``; attached regularizers keep their parameters.

    Args:
        net: the network, left as it was on any error.
        path: a ``.safetensors`` or ``.pth`` file.
        strict: whether every parameter must be there with its shape and nothing else. Without it,
            what fits is loaded.
        key: which weights of a ``.pth`` file; EMA weights by default where it holds both.

    Returns:
        The keys of ``net`` that kept their values; none when strict.

    Raises:
        WeightsError: missing, damaged, refused, not finite, of another network (the message says
            which, and for which scale), or, without strict, nothing fits.
    """
    path, net = Path(path), unwrap(net)
    raw, metadata = read(path, key)
    fit = _best_fit(net, raw)
    if (strict and not fit.complete) or not fit.fitting:
        raise misfit(net, fit, path, _holder_of(raw, metadata, path))
    fill(net, fit.fitting, path)
    return [] if strict else fit.kept


def _best_fit(net: nn.Module, raw: Mapping[str, Tensor]) -> Fit:
    """With our key names, or as they are: the network may have those of another program."""
    fits = [compare(net, state) for state in (canonical_keys(raw), raw)]
    return min(fits, key=lambda fit: len(fit.missing))


def _filled(
    net: nn.Module, raw: Mapping[str, Tensor], path: Path, holder: Holder | None
) -> tuple[nn.Module, dict[str, Tensor]]:
    fit = _best_fit(net, raw)
    if not fit.complete:
        raise misfit(net, fit, path, holder)
    fill(net, fit.fitting, path)
    return net.eval(), fit.fitting


def _nearest_misfit(
    raw: Mapping[str, Tensor], recognition: Recognition | None, path: Path
) -> WeightsError | None:
    """What keeps the weights from being the network that they look like."""
    if recognition is None or name_other(raw) is not None:
        return None
    try:
        net = build_network(recognition.options)
    except OptionError:
        return None
    return misfit(net, compare(net, canonical_keys(raw)), path, _holder(recognition))


def _build(options: Mapping[str, Any], path: Path) -> nn.Module:
    try:
        return build_network(options)
    except OptionError as error:
        hint = "Install the package or the version of adasr that has it."
        raise WeightsError(path, f"needs a network that is not here ({error})", hint) from None


def _arch_of(metadata: Mapping[str, str], path: Path) -> dict[str, Any] | None:
    """The network's options in the metadata of a file that adasr wrote."""
    if metadata.get("format") != "adasr" or "arch" not in metadata:
        return None
    try:
        options = json.loads(metadata["arch"])
    except json.JSONDecodeError:
        options = None
    if not isinstance(options, dict) or "type" not in options:
        raise WeightsError(path, "has metadata that names no network", "Save the weights again.")
    return options


def _holder(recognition: Recognition | None) -> Holder | None:
    if recognition is None:
        return None
    options = recognition.options
    return Holder(name_of_options(options), scale_of(options), recognition.why)


def _holder_of(raw: Mapping[str, Tensor], metadata: Mapping[str, str], path: Path) -> Holder | None:
    """The network that a file's weights belong to, as far as anything tells it."""
    written = _arch_of(metadata, path)
    if written is not None:
        return Holder(name_of_options(written), scale_of(written), "its metadata says so")
    other = name_other(raw)
    if other is not None:
        return Holder(other.name, None, "by its keys")
    recognition = recognize(raw)
    if recognition is not None:
        return _holder(recognition)
    try:
        net, name = load_with_spandrel(raw, path)
    except WeightsError:
        return None
    scale = network_scale(net)
    return Holder(f"{name} x{scale}", scale, "as spandrel finds")
