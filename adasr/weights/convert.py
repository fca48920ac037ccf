"""Weights files from one program's layout to another's."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from ..archs.keys import LAYOUTS, OURS, SPELLINGS, count_blocks, respelled
from ..errors import OptionError, WeightsError
from .load import Loaded, identify
from .names import name_of
from .save import describe, write_plain_pth, write_pth, write_safetensors

_PLAIN = ("mmsr", "esrgan")  # these programs read a state dict alone
_AUTHORS_BLOCKS = 16


def convert(
    source: str | Path,
    target: str | Path,
    layout: str = OURS,
    arch: Mapping[str, Any] | None = None,
    key: str | None = None,
) -> str:
    """Write the weights in ``source`` to ``target``, in the format that its suffix tells.

    * ``.safetensors``: with metadata that names the network, its options and the scale (see
      ``describe``), so that ``adasr infer`` and ``load_network`` build it from the file alone.
    * ``.pth``: ``{"params": ..., "params_ema": ..., "metadata": ...}``, which BasicSR, Real-ESRGAN,
      chaiNNer, spandrel and adasr read; with the layouts "mmsr" and "esrgan" the state dict alone.

    Numbers become float32. Parameters of adasr's regularizers are left out.

    Args:
        source: weights of any kind that ``load_network`` reads.
        target: the file to write; its folder is made.
        layout: key names: "basicsr" (adasr's own, Real-ESRGAN's too), "authors" (``body1.0``, for
            an SRResNet of 16 blocks), "mmsr" (``recon_trunk``, ``RRDB_trunk``) or "esrgan"
            (``model.0``, for RRDBNet).
        arch: ``{"type": name, **options}`` of a network that cannot be recognized.
        key: which weights of a ``.pth`` file; EMA weights by default where it holds both.

    Returns:
        What was done, in one line.

    Raises:
        OptionError: an unknown layout or network, or another suffix.
        WeightsError: the weights cannot be read or belong to no such network, the layout has no
            name for their keys, or ``target`` is ``source``.
        OSError: ``target`` cannot be written; an earlier file stays.
    """
    source, target = Path(source), Path(target)
    _check_target(source, target)
    if layout not in LAYOUTS:
        raise OptionError(f"must be one of {', '.join(LAYOUTS)}, got '{layout}'.", ("layout",))
    try:
        loaded = identify(source, key, arch)
    except OptionError as error:
        raise error.under("arch") from None
    state = _laid_out(loaded, layout, source)
    metadata = {**loaded.metadata, **describe(loaded.net)}
    if "arch_options" not in vars(loaded.net):
        metadata.pop("arch", None)
    if target.suffix == ".safetensors":
        write_safetensors(target, state, metadata)
    elif layout in _PLAIN:
        write_plain_pth(target, state)
    else:
        write_pth(target, state, metadata)
    return f"{target}: {_told(loaded, layout)}"


def _check_target(source: Path, target: Path) -> None:
    if target.suffix not in (".safetensors", ".pth"):
        raise OptionError(
            f"{target} must end in .safetensors or .pth.", hint="The suffix tells the format."
        )
    if target.exists() and source.exists() and target.samefile(source):
        raise WeightsError(target, "is the file to convert", "Give the output another name.")


def _laid_out(loaded: Loaded, layout: str, source: Path) -> dict[str, Tensor]:
    """The weights with the key names of ``layout``."""
    if layout == OURS:
        return loaded.state
    network = _type_of(loaded.net)
    networks = [s.network for s in SPELLINGS if s.layout == layout]
    if network not in networks:
        raise WeightsError(
            source,
            f"holds {name_of(loaded.net)}, for which layout '{layout}' has no key names, only for "
            f"{' and '.join(networks)}",
            f"Choose the layout '{OURS}'.",
        )
    blocks = count_blocks(network, loaded.state)
    if layout == "authors" and blocks != _AUTHORS_BLOCKS:
        raise WeightsError(
            source,
            f"holds {name_of(loaded.net)}; the authors' network has {_AUTHORS_BLOCKS} blocks, "
            "so their code cannot load it",
            f"Choose the layout '{OURS}'.",
        )
    return respelled(loaded.state, network, layout)


def _type_of(net: nn.Module) -> str:
    options = getattr(net, "arch_options", None) or {}
    return str(options.get("type", ""))


def _told(loaded: Loaded, layout: str) -> str:
    count = sum(parameter.numel() for parameter in loaded.net.parameters())
    names = f"key names of {layout}"
    if loaded.layout != layout:
        names = f"{names} instead of {loaded.layout}"
    return f"{name_of(loaded.net)}; {count:,} parameters; {names}; recognized {loaded.why}"
