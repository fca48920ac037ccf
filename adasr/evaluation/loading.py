"""Images of a test set, read by threads ahead of the network."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor

from ..errors import AdasrError

_AHEAD = 2**30  # bytes of images that wait: two of 8K, all of a usual set


class ImagePairs(Protocol):
    """A test set: items are whole image pairs.

    An item has "lq" (3, h, w) and "gt" (3, H, W), float32 in [0, 1], "name" and "recipe"; "gt" is
    missing or None where there is no ground truth. Where several threads are asked for, items are
    read by them.
    """

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Mapping[str, Any]: ...


@dataclass(frozen=True)
class Loaded:
    """An item of a dataset, or why it could not be read."""

    index: int
    item: Mapping[str, Any] | None
    error: AdasrError | None = None

    @property
    def shapes(self) -> tuple[Any, ...] | None:
        """Those of LQ and GT; None where nothing was read."""
        if self.item is None:
            return None
        gt = self.item.get("gt")
        return tuple(self.item["lq"].shape), None if gt is None else tuple(gt.shape)


def load(dataset: ImagePairs, workers: int) -> Generator[Loaded]:
    """Every item in order, read ahead by ``workers`` threads; 0 reads when asked for.

    Large images are read ahead one at a time, so that memory does not grow with ``workers``.

    Raises:
        Exception: what the dataset raises other than ``AdasrError``.
    """
    total = len(dataset)
    if workers < 1:
        yield from (_load(dataset, index) for index in range(total))
        return
    pool = ThreadPoolExecutor(workers, thread_name_prefix="adasr-load")
    waiting: deque[Future[Loaded]] = deque()
    asked, room = 0, 1
    try:
        while asked < total or waiting:
            while asked < total and len(waiting) < room:
                waiting.append(pool.submit(_load, dataset, asked))
                asked += 1
            loaded = waiting.popleft().result()
            room = max(1, min(2 * workers, _AHEAD // max(1, _bytes(loaded))))
            while asked < total and len(waiting) < room:  # before the network begins
                waiting.append(pool.submit(_load, dataset, asked))
                asked += 1
            yield loaded
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def alike(items: Iterator[Loaded], count: int) -> Iterator[list[Loaded]]:
    """Neighbours of one size together, ``count`` of them at most."""
    group: list[Loaded] = []
    for loaded in items:
        if group and (
            len(group) >= count or loaded.shapes is None or loaded.shapes != group[0].shapes
        ):
            yield group
            group = []
        group.append(loaded)
        if len(group) >= count:
            yield group
            group = []
    if group:
        yield group


def _load(dataset: ImagePairs, index: int) -> Loaded:
    try:
        return Loaded(index, dataset[index])
    except AdasrError as error:
        return Loaded(index, None, error)


def _bytes(loaded: Loaded) -> int:
    tensors = [v for v in (loaded.item or {}).values() if isinstance(v, Tensor)]
    return sum(t.numel() * t.element_size() for t in tensors)
