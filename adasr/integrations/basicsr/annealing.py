"""Every model of BasicSR anneals the regularized networks it holds.

BasicSR's loop calls ``model.update_learning_rate(current_iter)`` before each step, which is where
an iteration is known; weights are a pure function of it, so a resumed run has the right ones.
"""

from __future__ import annotations

import functools
from typing import Any

from basicsr.models.base_model import BaseModel
from torch import nn

from .regularized import annealing_of


def follow_iterations() -> None:
    """Let ``BaseModel.update_learning_rate`` set the sites' weights too; once is enough."""
    original = BaseModel.update_learning_rate
    if getattr(original, "anneals", False):
        return

    @functools.wraps(original)
    def update_learning_rate(self: Any, current_iter: int, *args: Any, **kwargs: Any) -> None:
        original(self, current_iter, *args, **kwargs)
        anneal(self, current_iter)

    vars(update_learning_rate)["anneals"] = True
    BaseModel.update_learning_rate = update_learning_rate


def anneal(model: Any, iteration: int) -> None:
    """Set the sites' weights of every network of ``model`` for ``iteration`` (1-based)."""
    for value in list(vars(model).values()):
        if isinstance(value, nn.Module):
            annealing = annealing_of(model.get_bare_model(value))
            if annealing is not None:
                annealing.step(iteration, int(model.opt["train"]["total_iter"]))
