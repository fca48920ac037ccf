"""Pairs for the training loop: what the loader gives, on the device, degraded."""

from __future__ import annotations

import contextlib
import hashlib
import queue
import threading
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

MakePairs = Callable[[Tensor, torch.Generator], tuple[Tensor, ...]]
"""(GT crops (N, 3, H, W), generator) -> (LQ, GT) or (LQ, sharpened GT, plain GT); the degradation.
"""


_PATIENCE = 10  # seconds for a thread to end; stuck ones end with the process


@dataclass
class Pairs:
    """One batch.

    Args:
        lq: (N, 3, h, w) in [0, 1].
        gt: (N, 3, H, W) in [0, 1].
        paths: the files it was made of.
        skipped: unreadable files and what is wrong with them.
        seconds: what making it took, for loading ("data") and degrading ("degradation").
        ready: when the device has it, where that is not at once.
        gt_plain: GT before sharpening, where a loss compares with it and ``gt`` is sharpened.
    """

    lq: Tensor
    gt: Tensor
    paths: list[str]
    skipped: dict[str, str]
    seconds: dict[str, float]
    ready: Any = None
    gt_plain: Tensor | None = None

    @property
    def images(self) -> list[Tensor]:
        """All tensors."""
        return [image for image in (self.lq, self.gt, self.gt_plain) if image is not None]


class PairSource:
    """Makes the pairs of one iteration after the other, from the one after ``done`` on.

    On a GPU a thread makes them ahead, on a stream of its own, while the network computes. On a CPU
    that would only take the network's cores away, so they are made when they are asked for.

    Args:
        batches: of the loader, the first being that of the first iteration to come.
        make_pairs: the degradation; None when the batches hold LQ.
        device: where the pairs go.
        key: what the random numbers hang on beside the iteration and the part: seed and rank.
        done: iterations done before.
        parts: batches per iteration.
        ahead: batches made ahead; None takes 2 on CUDA and 0 elsewhere.
    """

    def __init__(
        self,
        batches: Iterator[Any],
        make_pairs: MakePairs | None,
        device: torch.device,
        key: tuple[int, int],
        done: int = 0,
        parts: int = 1,
        ahead: int | None = None,
    ) -> None:
        self.batches, self.make_pairs, self.device = batches, make_pairs, device
        self.key, self.done, self.parts = key, done, parts
        ahead = (2 if device.type == "cuda" else 0) if ahead is None else ahead
        self._stopped = threading.Event()
        self._made = self._make_all() if ahead == 0 else self._take_all(ahead)

    def __enter__(self) -> PairSource:
        return self

    def __exit__(self, *details: object) -> None:
        self._stopped.set()
        self._made.close()

    def __next__(self) -> Pairs:
        """The next pairs; an error of making them is raised here."""
        pairs = next(self._made)
        if pairs.ready is not None:
            stream = torch.cuda.current_stream()
            stream.wait_event(pairs.ready)
            for image in pairs.images:
                image.record_stream(stream)
        return pairs

    def _make_all(self) -> Generator[Pairs, None, None]:
        with contextlib.closing(closable(self.batches)) as batches:
            number = self.done * self.parts
            while not self._stopped.is_set():
                iteration, part = divmod(number, self.parts)
                yield self._make(batches, iteration + 1, part)
                number += 1

    def _make(self, batches: Iterator[Any], iteration: int, part: int) -> Pairs:
        begin = time.perf_counter()
        batch = next(batches)
        loaded = time.perf_counter()
        gt, plain = batch["gt"].to(self.device, non_blocking=True), []
        if self.make_pairs is None:
            lq = batch["lq"].to(self.device, non_blocking=True)
        else:
            lq, gt, *plain = self.make_pairs(gt, generator(*self.key, iteration, part))
        seconds = {"data": loaded - begin, "degradation": time.perf_counter() - loaded}
        return Pairs(
            lq,
            gt,
            list(batch["path"]),
            dict(batch["skipped"]),
            seconds,
            gt_plain=plain[0] if plain else None,
        )

    def _take_all(self, ahead: int) -> Generator[Pairs, None, None]:
        """What a thread makes; only the time in which nothing is there yet counts."""
        made: queue.Queue[Pairs | BaseException] = queue.Queue(ahead)
        thread = threading.Thread(target=self._fill, args=(made,), name="adasr-pairs", daemon=True)
        thread.start()
        try:
            while True:
                begin = time.perf_counter()
                pairs = made.get()
                if isinstance(pairs, BaseException):
                    raise pairs
                pairs.seconds = {"data": time.perf_counter() - begin, "degradation": 0.0}
                yield pairs
        finally:
            self._stopped.set()
            patience = time.monotonic() + _PATIENCE
            while thread.is_alive() and time.monotonic() < patience:  # it may wait for room
                with contextlib.suppress(queue.Empty):
                    made.get(timeout=0.05)

    def _fill(self, made: queue.Queue[Pairs | BaseException]) -> None:
        on_gpu = self.device.type == "cuda"
        stream = torch.cuda.Stream(self.device) if on_gpu else None
        try:
            with torch.cuda.stream(stream), contextlib.closing(self._make_all()) as all_pairs:
                for pairs in all_pairs:
                    if stream is not None:
                        pairs.ready = stream.record_event()
                    made.put(pairs)
        except BaseException as error:  # for the thread that waits for pairs
            made.put(error)


def closable(batches: Iterator[Any]) -> Generator[Any, None, None]:
    """``batches`` as a generator: closing it lets go of them, which ends the loader's workers."""
    yield from batches


def generator(*key: int) -> torch.Generator:
    """A CPU generator whose stream is a pure function of ``key``."""
    digest = hashlib.blake2b(repr(key).encode(), digest_size=8).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest, "little") >> 1)
