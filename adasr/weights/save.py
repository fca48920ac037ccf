"""Weights to a file."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor, nn

from ..files import write_bytes
from ..regularizers.sites import RESERVED_PREFIX
from ..version import __version__
from .build import network_scale
from .state import METADATA


def save_network(
    path: str | Path, net: nn.Module, metadata: Mapping[str, str] | None = None
) -> None:
    """Write the weights of ``net`` as a safetensors file, atomically.

    Floating-point numbers are stored in float32. The parameters of attached regularizers are left
    out, so the file equals that of the plain network. The file's metadata is what ``describe``
    says.

    Args:
        path: the file, with the suffix ``.safetensors``.
        net: the network; what torch.compile or a data-parallel wrapper adds to it is taken off.
        metadata: more entries, all text.

    Raises:
        OSError: the place cannot be written, or the disk is full; an earlier file stays.
    """
    net = unwrap(net)
    write_safetensors(path, plain_state(net), {**describe(net), **(metadata or {})})


def describe(net: nn.Module) -> dict[str, str]:
    """What a file of ``net``'s weights says of itself.

    ``format`` is "adasr", ``version`` the version of adasr, ``scale`` the enlargement, and ``arch``
    is JSON with the network's name and all its options: ``build_network`` builds it from them. A
    network that ``build_network`` did not build has no ``arch``; its keys tell it.
    """
    entries = {"format": "adasr", "scale": str(network_scale(net)), "version": __version__}
    options = getattr(net, "arch_options", None)
    if options is not None:
        entries["arch"] = json.dumps(options)
    return entries


def write_safetensors(
    path: str | Path, state: Mapping[str, Tensor], metadata: Mapping[str, str]
) -> None:
    """Write a state dict as a safetensors file, atomically; equal input gives equal files.

    Raises:
        OSError: the place cannot be written, or the disk is full; an earlier file stays.
    """
    tensors = {key: _stored(value) for key, value in state.items()}
    # Through bytes: safetensors' own writer reports a full disk as an error of its own.
    write_bytes(path, _ordered(save(tensors, dict(metadata))))


def write_pth(path: str | Path, state: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write a state dict as BasicSR and Real-ESRGAN do, atomically.

    The weights stand under both names that programs ask for, ``params`` and ``params_ema``, and are
    stored once. Readers that take ``weights_only`` read the file.

    Raises:
        OSError: the place cannot be written, or the disk is full; an earlier file stays.
    """
    tensors = {key: _stored(value) for key, value in state.items()}
    _write_pickle(path, {"params": tensors, "params_ema": tensors, METADATA: dict(metadata)})


def write_plain_pth(path: str | Path, state: Mapping[str, Tensor]) -> None:
    """Write a state dict alone, as programs before BasicSR read it, atomically.

    Raises:
        OSError: the place cannot be written, or the disk is full; an earlier file stays.
    """
    _write_pickle(path, {key: _stored(value) for key, value in state.items()})


def unwrap(net: nn.Module) -> nn.Module:
    """The network inside torch.compile's and data-parallel wrappers."""
    while True:
        inner = getattr(net, "_orig_mod", None)
        if inner is None and isinstance(net, nn.DataParallel | nn.parallel.DistributedDataParallel):
            inner = net.module
        if not isinstance(inner, nn.Module):
            return net
        net = inner


def plain_state(net: nn.Module) -> dict[str, Tensor]:
    """The state dict of ``net`` without the parameters of attached regularizers."""
    return {
        key: value
        for key, value in net.state_dict().items()
        if not key.startswith(f"{RESERVED_PREFIX}.")
    }


def _write_pickle(path: str | Path, content: Mapping[str, object]) -> None:
    buffer = io.BytesIO()
    torch.save(content, buffer)
    write_bytes(path, buffer.getvalue())


def _ordered(data: bytes) -> bytes:
    """The same file with its metadata in order: equal weights shall give equal files."""
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # tensors start at a multiple of 8 bytes
    return len(text).to_bytes(8, "little") + text + data[8 + length :]


def _stored(value: Tensor) -> Tensor:
    value = value.detach().to("cpu")
    if value.is_floating_point():
        value = value.to(torch.float32)
    # A copy: safetensors refuses tensors that share memory.
    return value.clone(memory_format=torch.contiguous_format)
