"""Threads, batches and tiles change no score and no order; images may come without ground truth."""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from adasr.errors import ImageReadError
from adasr.evaluation import Bicubic, Evaluation, ImageResult, bicubic, evaluate
from adasr.evaluation.loading import load
from adasr.evaluation.restoring import Restorer, restore
from adasr.metrics import Metric
from adasr.registry import METRIC_REGISTRY

SCALE = 2


class Pairs:
    """Images of several sizes, neighbours often of one; ``broken`` ones cannot be read."""

    def __init__(self, broken: tuple[int, ...] = (), with_gt: bool = True) -> None:
        generator = torch.Generator().manual_seed(0)
        sides = (15, 15, 15, 18, 15, 15, 18, 18)
        self.images = [torch.rand(3, 2 * side, 32, generator=generator) for side in sides]
        self.broken, self.with_gt = broken, with_gt
        self.readers: set[int] = set()

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Mapping[str, Any]:
        self.readers.add(threading.get_ident())
        if index in self.broken:
            raise ImageReadError(f"img{index}.png", "is not a readable image")
        gt = self.images[index]
        item = {"lq": torch.nn.functional.avg_pool2d(gt, SCALE), "name": f"img{index}"}
        return item | {"recipe": ""} | ({"gt": gt} if self.with_gt else {})


class Brightness(Metric):
    name = "brightness"
    needs_gt = False

    def score(self, sr: Tensor, gt: Tensor) -> float:
        return sr.mean().item()


@pytest.fixture
def metrics() -> dict[str, Metric]:
    built: dict[str, Metric] = {n: METRIC_REGISTRY.build({"type": n}) for n in ("psnr", "ssim")}
    return built | {"brightness": Brightness()}


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), Bicubic(SCALE)).eval()


def close(found: Evaluation, expected: Evaluation) -> None:
    assert [s.name for s in found.scores] == [s.name for s in expected.scores]
    for one, other in zip(found.scores, expected.scores, strict=True):
        assert one.values == pytest.approx(other.values, abs=1e-3)
    assert found.failures == expected.failures


@pytest.mark.parametrize("workers", [0, 1, 3])
@pytest.mark.parametrize("batch_size", [1, 2, 8])
def test_threads_and_batches_change_nothing(
    metrics: dict[str, Metric], workers: int, batch_size: int
) -> None:
    expected = evaluate(network(), Pairs((4, 7)), metrics, baseline=True)
    seen: list[ImageResult] = []
    found = evaluate(
        network(),
        Pairs((4, 7)),
        metrics,
        baseline=True,
        workers=workers,
        batch_size=batch_size,
        on_image=seen.append,
    )
    assert [done.index for done in seen] == list(range(8))
    close(found, expected)
    assert found.baseline is not None and expected.baseline is not None
    close(found.baseline, expected.baseline)


def test_neighbours_of_one_size_go_through_the_network_together(
    metrics: dict[str, Metric],
) -> None:
    class Counting(Bicubic):
        counts: list[int] = []  # noqa: RUF012

        def forward(self, lq: Tensor) -> Tensor:
            self.counts.append(len(lq))
            return super().forward(lq)

    evaluate(Counting(SCALE), Pairs(), metrics, batch_size=2)
    assert Counting.counts == [2, 1, 1, 2, 2]


def test_only_so_many_images_are_read_ahead() -> None:
    dataset, caller = Pairs(), threading.get_ident()
    items = load(dataset, workers=1)
    assert next(items).index == 0
    assert caller not in dataset.readers
    items.close()
    assert not [t for t in threading.enumerate() if t.name.startswith("adasr-load")]


def test_threads_end_when_a_run_is_given_up(metrics: dict[str, Metric]) -> None:
    def fail(_: ImageResult) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as caught:
        evaluate(network(), Pairs(), metrics, workers=3, on_image=fail)
    assert caught is not None  # its traceback holds the frames of the run
    assert not [t for t in threading.enumerate() if t.name.startswith("adasr-load")]


def test_a_fault_of_a_dataset_is_not_swallowed(metrics: dict[str, Metric]) -> None:
    class Faulty(Pairs):
        def __getitem__(self, index: int) -> Mapping[str, Any]:
            raise ZeroDivisionError

    for workers in (0, 2):
        with pytest.raises(ZeroDivisionError):
            evaluate(network(), Faulty(), metrics, workers=workers)


def test_images_without_ground_truth_get_the_scores_that_need_none(
    metrics: dict[str, Metric],
) -> None:
    seen: list[ImageResult] = []
    found = evaluate(
        network(),
        Pairs(with_gt=False),
        metrics,
        baseline=True,
        batch_size=2,
        on_image=seen.append,
    )
    assert [set(score.values) for score in found.scores] == [{"brightness"}] * 8
    assert not found.failures
    assert all(done.gt is None and done.sr is not None for done in seen)
    assert found.baseline is not None
    assert len(found.baseline.scores) == 8
    close(found, evaluate(network(), Pairs(with_gt=False), metrics))


def test_one_image_of_a_batch_that_is_not_finite_spoils_no_other(
    metrics: dict[str, Metric],
) -> None:
    class Bad(Bicubic):
        def forward(self, lq: Tensor) -> Tensor:
            sr = super().forward(lq)
            sr[0, 0, 0, 0] = math.nan
            return sr

    found = evaluate(Bad(SCALE), Pairs(), metrics, batch_size=3)
    good = evaluate(Bicubic(SCALE), Pairs(), metrics)
    assert math.isnan(found.scores[0].values["psnr"])
    assert found.scores[1] == good.scores[1]
    assert found.failures["img0"] == "the network's output is not finite"
    assert len(found.failures) == 4


def test_a_batch_that_memory_does_not_hold_goes_one_by_one(metrics: dict[str, Metric]) -> None:
    class Small(Bicubic):
        def forward(self, lq: Tensor) -> Tensor:
            if len(lq) > 1:
                raise torch.OutOfMemoryError("CUDA out of memory")
            return super().forward(lq)

    found = evaluate(Small(SCALE), Pairs(), metrics, batch_size=4)
    assert found.scores == evaluate(bicubic(SCALE), Pairs(), metrics).scores
    assert not found.failures


def test_an_image_that_memory_does_not_hold_goes_in_tiles(metrics: dict[str, Metric]) -> None:
    class Narrow(nn.Module):
        """Runs out of memory above 64 x 64 pixels."""

        upscale, size_multiple, num_in_ch = SCALE, 1, 3

        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 3, 3, padding=1)

        def forward(self, lq: Tensor) -> Tensor:
            if lq.shape[-1] * lq.shape[-2] > 64**2:
                raise torch.OutOfMemoryError("CUDA out of memory")
            return nn.functional.interpolate(self.conv(lq), scale_factor=SCALE, mode="nearest")

    class Large(Pairs):
        def __init__(self) -> None:
            super().__init__()
            self.images = [torch.rand(3, 200, 180), torch.rand(3, 40, 40)]

    net = Narrow().eval()
    whole = evaluate(net, Large(), metrics)
    assert whole.failures == {"img0": "out of memory for an LQ of 90x100"}
    tiled = evaluate(net, Large(), metrics, tile="auto")
    assert not tiled.failures
    assert list(tiled.notes) == ["img0"]
    assert "tiles" in tiled.notes["img0"] and "as the whole" in tiled.notes["img0"]
    assert Evaluation.from_dict(tiled.to_dict()) == tiled


def test_tiles_of_a_given_size_equal_the_whole() -> None:
    net = network()
    vars(net).update(upscale=SCALE, size_multiple=1, num_in_ch=3)
    lq = torch.rand(1, 3, 70, 90)
    sr, how = Restorer(net, torch.device("cpu"), tile=40)(lq)
    torch.testing.assert_close(sr, restore(net, lq).clamp(0, 1), atol=1e-5, rtol=0)
    assert how == "in 6 tiles, as the whole"
    sr, how = Restorer(net, torch.device("cpu"), tile=90)(lq)
    assert how == "" and torch.equal(sr, restore(net, lq))
