"""The part of a folder that falls to one process of several, on one machine or many."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from ...errors import OptionError

T = TypeVar("T")


@dataclass(frozen=True)
class Shard:
    """Part ``index`` (from 1) of ``count`` parts: every ``count``-th image."""

    index: int = 1
    count: int = 1

    def of(self, items: Sequence[T]) -> list[T]:
        """The items of this part. Big and small images are often neighbours, so none gets a run."""
        return list(items[self.index - 1 :: self.count])

    def split(self, index: int, count: int) -> Shard:
        """Part ``index`` of ``count`` parts of this part."""
        return Shard((self.index - 1) * count + index, self.count * count)

    @property
    def name(self) -> str:
        """As the option has it: ``2/8``."""
        return f"{self.index}/{self.count}"


WHOLE = Shard()


def read_shard(text: str | None, environment: Mapping[str, str]) -> Shard:
    """The part that ``--shard`` names, divided further among the processes of a launcher.

    Args:
        text: ``"2/8"``, or None for the whole.
        environment: where torchrun and accelerate say ``RANK`` and ``WORLD_SIZE``.

    Raises:
        OptionError: no such part.
    """
    shard = WHOLE
    if text is not None:
        match = re.fullmatch(r"\s*(\d+)\s*/\s*(\d+)\s*", text)
        if match is None or not 1 <= int(match[1]) <= int(match[2]):
            hint = "Give part and number of parts, e.g. 1/4 to 4/4."
            raise OptionError(f"'{text}' is no part of the images.", ("--shard",), hint)
        shard = Shard(int(match[1]), int(match[2]))
    try:
        rank, world = int(environment.get("RANK", 0)), int(environment.get("WORLD_SIZE", 1))
    except ValueError:
        return shard  # not a launcher's
    return shard.split(rank + 1, world) if 0 <= rank < world else shard


def own_device(device: str, environment: Mapping[str, str]) -> str:
    """``device``, where "auto" and "cuda" mean each process's own GPU under a launcher."""
    place = environment.get("LOCAL_RANK", "")
    if device not in ("auto", "cuda") or not place.isdigit():
        return device
    import torch

    if not torch.cuda.is_available():
        return device
    return f"cuda:{int(place) % torch.cuda.device_count()}"
