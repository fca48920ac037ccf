"""Weights to a file."""

from __future__ import annotations

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


def save_network(
    path: str | Path, net: nn.Module, metadata: Mapping[str, str] | None = None
) -> None:
    """Write the weights of ``net`` as a safetensors file, atomically.

    Floating-point numbers are stored in float32. The parameters of attached regularizers are left
    out, so the file equals that of the plain network. Its metadata says how to build the network:
    ``format`` ("adasr"), ``arch`` (name and options as JSON), ``scale`` and ``version``.

    Args:
        path: the file, with the suffix ``.safetensors``.
        net: the network; what torch.compile or a data-parallel wrapper adds to it is taken off.
        metadata: more entries, all text.

    Raises:
        OSError: the place cannot be written, or the disk is full; an earlier file stays.
    """
    net = unwrap(net)
    entries = {"format": "adasr", "scale": str(network_scale(net)), "version": __version__}
    options = getattr(net, "arch_options", None)
    if options is not None:
        entries["arch"] = json.dumps(options)
    entries.update(metadata or {})
    tensors = {key: _stored(value) for key, value in plain_state(net).items()}
    # Through bytes: safetensors' own writer reports a full disk as an error of its own.
    write_bytes(path, _ordered(save(tensors, entries)))


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
