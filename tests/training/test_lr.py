from __future__ import annotations

from types import ModuleType

import pytest
import torch

from adasr.errors import OptionError
from adasr.training.lr import CosineAnnealingRestartLR, MultiStepLR, learning_rate


def basicsr_rates(kind: str, iterations: int, warmup: int, **options: object) -> list[float]:
    """Learning rates of iterations 1.. as BasicSR's own training loop sets them."""
    from basicsr.models import lr_scheduler
    from basicsr.models.base_model import BaseModel

    model = BaseModel({"num_gpu": 0, "is_train": True})
    optimizer = torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))], lr=2e-4)
    model.optimizers = [optimizer]
    model.schedulers = [getattr(lr_scheduler, kind)(optimizer, **options)]
    model.init_lr = [2e-4]
    rates = []
    for iteration in range(1, iterations + 1):
        model.update_learning_rate(iteration, warmup_iter=warmup)
        rates.append(model.get_current_learning_rate()[0])
        optimizer.step()
    return rates


def test_multi_step_is_basicsrs(basicsr: ModuleType) -> None:
    options = {"milestones": [10, 20, 20, 30], "gamma": 0.5}
    expected = basicsr_rates("MultiStepRestartLR", 40, -1, **options)
    got = [learning_rate(t, 2e-4, MultiStepLR(**options)) for t in range(1, 41)]
    assert got == pytest.approx(expected, rel=1e-6)


def test_warm_up_ends_at_the_full_rate() -> None:
    """BasicSR's multi-step schedule stays at (warmup - 1) / warmup of it for good."""
    got = [learning_rate(t, 2e-4, MultiStepLR([10], 0.5), 4) for t in (1, 2, 3, 4, 10, 11)]
    assert got == pytest.approx([5e-5, 1e-4, 1.5e-4, 2e-4, 2e-4, 1e-4])


@pytest.mark.parametrize("warmup", [-1, 7])
def test_cosine_restart_is_basicsrs(basicsr: ModuleType, warmup: int) -> None:
    options = {"periods": [15, 10, 15], "restart_weights": [1, 0.5, 0.25], "eta_min": 1e-6}
    expected = basicsr_rates("CosineAnnealingRestartLR", 40, warmup, **options)
    ours = CosineAnnealingRestartLR(**options)
    got = [learning_rate(t, 2e-4, ours, warmup) for t in range(1, 41)]
    assert got == pytest.approx(expected, rel=1e-6)


def test_after_the_last_period_the_minimum_stays() -> None:
    assert CosineAnnealingRestartLR([5, 5], eta_min=1e-7)(50, 1e-3) == 1e-7


def test_no_schedule_is_constant() -> None:
    assert [learning_rate(t, 1e-3) for t in (1, 10**6)] == [1e-3, 1e-3]


def test_faults_are_named() -> None:
    with pytest.raises(OptionError, match="periods"):
        CosineAnnealingRestartLR([])
    with pytest.raises(OptionError, match="restart_weights"):
        CosineAnnealingRestartLR([5, 5], [1.0])
    with pytest.raises(OptionError, match="gamma"):
        MultiStepLR([5], gamma=0.0)
