"""Key names of SRResNet and RRDBNet, ours (which are BasicSR's) and those of other programs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from torch import Tensor

OURS = "basicsr"
_KINDS = ("weight", "bias")
_INSIDE_BLOCK = {
    "SRResNet": ("conv1", "conv2"),
    "RRDBNet": tuple(f"rdb{i}.conv{j}" for i in (1, 2, 3) for j in (1, 2, 3, 4, 5)),
}
_BLOCKS = {
    "SRResNet": re.compile(r"body\.(\d{1,3})\.conv[12]\."),
    "RRDBNet": re.compile(r"body\.(\d{1,3})\.rdb[123]\.conv[1-5]\."),
}


@dataclass(frozen=True)
class Spelling:
    """How one program spells the keys of one network.

    Attributes:
        layout: what ``adasr convert`` calls it.
        network: our name of the network.
        marker: matches a key of a block; its group is the block's number.
        block: name of a convolution in a block, from the block's ``number`` and the convolution's
            name ``inside`` it.
        first: number of the first block.
        modules: the other modules whose names differ, ours to theirs; ``{count}`` is the number of
            blocks.
    """

    layout: str
    network: str
    marker: re.Pattern[str]
    block: str
    first: int = 0
    modules: Mapping[str, str] = field(default_factory=dict)

    def spell(self, key: str, count: int) -> str:
        """Their name of our ``key`` in a network of ``count`` blocks."""
        module, _, kind = key.rpartition(".")
        if found := re.fullmatch(r"body\.(\d+)\.(.+)", module):
            inside = found[2].replace("rdb", "RDB")
            theirs = self.block.format(number=int(found[1]) + self.first, inside=inside)
        else:
            theirs = self.modules.get(module, module).format(count=count)
        return f"{theirs}.{kind}"


SPELLINGS = (
    # Xu et al. (CVPR 2025): sixteen attributes body1 ... body16, each a sequence of one block.
    Spelling(
        "authors",
        "SRResNet",
        re.compile(r"body(\d{1,3})\.0\.conv[12]\."),
        "body{number}.0.{inside}",
        first=1,
    ),
    # MMSR, which became BasicSR; ESRGAN's, BSRGAN's and RealSR's later weights.
    Spelling(
        "mmsr",
        "SRResNet",
        re.compile(r"recon_trunk\.(\d{1,3})\.conv[12]\."),
        "recon_trunk.{number}.{inside}",
        modules={"conv_hr": "HRconv"},
    ),
    Spelling(
        "mmsr",
        "RRDBNet",
        re.compile(r"RRDB_trunk\.(\d{1,3})\.RDB[123]\.conv[1-5]\."),
        "RRDB_trunk.{number}.{inside}",
        modules={
            "conv_body": "trunk_conv",
            "conv_up1": "upconv1",
            "conv_up2": "upconv2",
            "conv_hr": "HRconv",
        },
    ),
    # ESRGAN's first weights: everything is a place in a sequence.
    Spelling(
        "esrgan",
        "RRDBNet",
        re.compile(r"model\.1\.sub\.(\d{1,3})\.RDB[123]\.conv[1-5]\.0\."),
        "model.1.sub.{number}.{inside}.0",
        modules={
            "conv_first": "model.0",
            "conv_body": "model.1.sub.{count}",
            "conv_up1": "model.3",
            "conv_up2": "model.6",
            "conv_hr": "model.8",
            "conv_last": "model.10",
        },
    ),
)
LAYOUTS = (OURS, *dict.fromkeys(spelling.layout for spelling in SPELLINGS))


def own_keys(network: str, count: int, steps: int) -> list[str]:
    """Our keys of a network with ``count`` blocks and ``steps`` upsampling convolutions."""
    blocks = [f"body.{i}.{inside}" for i in range(count) for inside in _INSIDE_BLOCK[network]]
    if network == "RRDBNet":
        middle = ["conv_body", *(f"conv_up{i + 1}" for i in range(steps))]
    else:
        middle = [f"upconv{i + 1}" for i in range(steps)]
    modules = ["conv_first", *blocks, *middle, "conv_hr", "conv_last"]
    return [f"{module}.{kind}" for module in modules for kind in _KINDS]


def count_blocks(network: str, keys: Iterable[str]) -> int:
    """How many blocks of ``network`` our ``keys`` tell of."""
    return _count(_BLOCKS[network], keys)


def spelling_of(keys: Iterable[str]) -> Spelling | None:
    """The program whose key names these are, None for ours and those of other networks."""
    keys = list(keys)
    return next((s for s in SPELLINGS if any(s.marker.match(key) for key in keys)), None)


def to_ours(keys: Iterable[str]) -> dict[str, str]:
    """Each key with our name of it, or with itself where it is ours or of another network."""
    keys = list(keys)
    spelling = spelling_of(keys)
    if spelling is None:
        return {key: key for key in keys}
    count = _count(spelling.marker, keys) - spelling.first
    ours = {spelling.spell(key, count): key for key in own_keys(spelling.network, count, 3)}
    renamed = {key: ours.get(key, key) for key in keys}
    return renamed if len(set(renamed.values())) == len(keys) else {key: key for key in keys}


def canonical_keys(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state dict with our key names; those of other networks come back as they are."""
    return {ours: state[key] for key, ours in to_ours(state).items()}


def respelled(state: Mapping[str, Tensor], network: str, layout: str) -> dict[str, Tensor]:
    """The state dict of our ``network`` with the key names of ``layout``, in the same order.

    Raises:
        KeyError: the layout has no such network.
    """
    if layout == OURS:
        return dict(state)
    found = {s.layout: s for s in SPELLINGS if s.network == network}[layout]
    count = count_blocks(network, state)
    return {found.spell(key, count): value for key, value in state.items()}


def _count(marker: re.Pattern[str], keys: Iterable[str]) -> int:
    return max((int(found[1]) + 1 for key in keys if (found := marker.match(key))), default=0)
