"""One image that a network refuses costs that image alone."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from adasr.data.images import write_image
from adasr.errors import AdasrError
from adasr.evaluation.baseline import Bicubic
from adasr.evaluation.benchmark.journal import Journal
from adasr.evaluation.benchmark.models import Contestant, baseline
from adasr.evaluation.benchmark.plan import Plan, Settings
from adasr.evaluation.benchmark.scorer import Progress, Scorer
from adasr.evaluation.benchmark.scoring import make_scoring
from adasr.evaluation.benchmark.sets import Sources, TestData, degraded, paired
from adasr.evaluation.results import Model

SCALE = 2


class Picky(nn.Module):
    """Bicubic interpolation that fails on dark images, or gives them another size."""

    upscale = SCALE

    def __init__(self, fault: str) -> None:
        super().__init__()
        self.fault, self.enlarge = fault, Bicubic(SCALE)

    def forward(self, lq: Tensor) -> Tensor:
        if lq.amax(dim=(1, 2, 3)).min() < 0.1:
            if self.fault == "size":
                return self.enlarge(lq)[..., 1:]
            raise RuntimeError("Padding size should be less than the input\nsecond line")
        return self.enlarge(lq)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    random = np.random.default_rng(0)
    for i in range(5):
        image = random.integers(0, 255, (32, 36, 3)).astype(np.uint8)
        write_image(tmp_path / "set" / f"{i}.png", image // (30 if i == 2 else 1))
    return tmp_path / "set"


def scorer(
    sets: list[TestData], contestants: list[Contestant], journal: Journal, batch_size: int
) -> Scorer:
    plan = Plan(
        Sources(),
        SCALE,
        contestants,
        make_scoring(["psnr"], SCALE, True, False, lambda line: None),
        ["clean"],
        [],
        torch.device("cpu"),
        0,
        batch_size,
        (),
        Settings(),
    )
    return Scorer(plan, sets, journal, None, lambda line: None, Progress(), threading.Event())


@pytest.mark.parametrize("batch_size", [1, 2, 16])
@pytest.mark.parametrize("fault", ["error", "size"])
def test_the_others_are_scored(fault: str, batch_size: int, pictures: Path, tmp_path: Path) -> None:
    data = degraded(pictures, "set", ["clean"], SCALE, None, lambda done, total: None, print)
    picky = Contestant(Model("picky", "picky"), lambda: Picky(fault), "picky")
    with Journal(tmp_path / "out") as journal:
        run = scorer([data], [baseline(SCALE), picky], journal, batch_size)
        assert run.all() is None
        bicubic, found = run.evaluations()
    expected = {s.name: s.values["psnr"] for s in bicubic.scores if s.name != "2"}
    assert {s.name: s.values["psnr"] for s in found.scores} == pytest.approx(expected)
    assert list(found.failures) == ["2 (clean)"]
    assert "second line" not in found.failures["2 (clean)"]
    assert not bicubic.failures


def test_a_pair_that_does_not_fit_is_named(pictures: Path, tmp_path: Path) -> None:
    lq = tmp_path / "lq"
    for i in range(5):
        size = (16, 18) if i != 3 else (9, 9)
        write_image(lq / f"{i}.png", np.full((*size, 3), 99, np.uint8))
    data = paired(lq, pictures, "pairs", SCALE, lambda done, total: None)
    with Journal(tmp_path / "out") as journal:
        run = scorer([data], [baseline(SCALE)], journal, 1)
        run.all()
        (found,) = run.evaluations()
    assert [s.name for s in found.scores] == ["0", "1", "2", "4"]
    assert list(found.failures) == ["3"]
    assert "2 times as large" in found.failures["3"]


def test_a_stop_keeps_what_is_there(pictures: Path, tmp_path: Path) -> None:
    data = degraded(pictures, "set", ["clean"], SCALE, None, lambda done, total: None, print)
    with Journal(tmp_path / "out") as journal:
        run = scorer([data], [baseline(SCALE)], journal, 1)

        class Stopping(Progress):
            def step(self, model: str, dataset: str) -> None:
                run.stop.set()

        run.progress = Stopping()
        ended = run.all()
        assert ended is not None
        assert ended.reason is None
        assert len(run.evaluations()[0].scores) == 1
    with Journal(tmp_path / "out") as journal:
        run = scorer([data], [baseline(SCALE)], journal, 1)
        assert run.all() is None
        assert run.taken_over == 1
        assert len(run.evaluations()[0].scores) == 5


def test_a_fault_of_ours_is_no_failure_of_an_image(pictures: Path, tmp_path: Path) -> None:
    def broken() -> nn.Module:
        raise AdasrError("the weights have gone")

    data = degraded(pictures, "set", ["clean"], SCALE, None, lambda done, total: None, print)
    gone = Contestant(Model("gone", "gone"), broken, "gone")
    with Journal(tmp_path / "out") as journal, pytest.raises(AdasrError, match="have gone"):
        scorer([data], [gone], journal, 1).all()
