"""Steps with NaN or infinity in their loss or gradient are left out and told about."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from accelerate import Accelerator
from torch import Tensor

from ..errors import TrainingError

MAX_NONFINITE = 10
"""Training stops after so many iterations in a row without a finite loss and gradient."""


@dataclass
class _Checked:
    """A step whose numbers nobody has looked at yet."""

    iteration: int
    paths: list[str]
    names: list[str]
    values: Tensor


class Streak:
    """Counts steps that are left out in a row; too many end the training.

    Args:
        warn: told about every one.
        place: the experiment's folder, for the last message.
    """

    def __init__(self, warn: Callable[[str], None], place: object) -> None:
        self.warn, self.place = warn, place
        self.length = 0

    def add(self, iteration: int, what: str) -> None:
        """One more.

        Args:
            iteration: it was in.
            what: is not finite.

        Raises:
            TrainingError: it is the ``MAX_NONFINITE``-th.
        """
        self.length += 1
        self.warn(f"iteration {iteration}: {what} is not finite; the step is left out.")
        if self.length >= MAX_NONFINITE:
            raise TrainingError(
                f"no finite loss for {MAX_NONFINITE} iterations in a row; stopped at iteration "
                f"{iteration}. The last good checkpoint in {self.place} is untouched. Try a "
                "smaller learning rate, train.grad_clip, or train.precision: fp32."
            )


class FiniteWatch:
    """Lets the optimizer step only where everything is finite.

    On a GPU the optimizer itself leaves the step out, by a number on the device, and the loop hears
    of it at the next ``tell``: looking at every step would wait for it. Optimizers that cannot do
    so, and CPUs, which have nothing to wait for, are looked after at once.

    Args:
        accelerator: device and processes.
        optimizer: the prepared one.
        warn: told about every step that is left out.
        place: the experiment's folder, for the last message.
    """

    def __init__(
        self,
        accelerator: Accelerator,
        optimizer: torch.optim.Optimizer,
        warn: Callable[[str], None],
        place: object,
    ) -> None:
        self.accelerator, self.optimizer = accelerator, optimizer
        self.streak = Streak(warn, place)
        self._inner: Any = getattr(optimizer, "optimizer", optimizer)
        fused = all(group.get("fused") for group in self._inner.param_groups)
        self.deferred = fused and accelerator.device.type == "cuda"
        self._checked: list[_Checked] = []

    def step(
        self, losses: Mapping[str, Tensor], norm: Tensor, iteration: int, paths: Sequence[str]
    ) -> bool:
        """One step of the optimizer, or none; the gradients are gone afterwards.

        Args:
            losses: 0-dimensional, by name.
            norm: of the gradient.
            iteration: for the message.
            paths: files of the batch, for the message.

        Returns:
            False where a step is known to have been left out.

        Raises:
            TrainingError: ``MAX_NONFINITE`` such iterations in a row.
        """
        accelerator, scaler = self.accelerator, self.accelerator.scaler
        # The scaler of fp16 meets infinite gradients by design; it skips and lowers its scale.
        named = dict(losses) if scaler else {**losses, "gradient norm": norm}
        values = torch.stack([value.detach().float() for value in named.values()])
        # Another process's loss shows up in this one's gradient, so all decide alike.
        watched = values
        if accelerator.num_processes > 1:
            watched = cast(Tensor, accelerator.reduce(values))
        checked = _Checked(iteration, list(paths), list(named), watched)
        if self.deferred:
            self._step_where_finite(watched)
            self._checked.append(checked)
            return True
        if self._look(checked, watched.tolist()):
            self.optimizer.step()
            self.optimizer.zero_grad(set_to_none=True)
            return True
        self.optimizer.zero_grad(set_to_none=True)
        if scaler is not None:
            scaler.update()  # it was asked to unscale and must end this step too
        return False

    def tell(self) -> None:
        """Look at the steps since the last call; a GPU is waited for here.

        Raises:
            TrainingError: as for ``step``.
        """
        checked, self._checked = self._checked, []
        if checked:
            for step, values in zip(
                checked, torch.stack([c.values for c in checked]).tolist(), strict=True
            ):
                self._look(step, values)

    def _step_where_finite(self, watched: Tensor) -> None:
        scaler = self.accelerator.scaler
        if scaler is None:  # a scaler does the same by itself
            self._inner.found_inf = (~watched.isfinite().all()).float()
        try:
            self.optimizer.step()
        finally:
            if scaler is None:
                del self._inner.found_inf
        self.optimizer.zero_grad(set_to_none=True)

    def _look(self, checked: _Checked, values: list[float]) -> bool:
        if all(abs(value) < float("inf") for value in values):  # False for NaN too
            self.streak.length = 0
            return True
        found = ", ".join(f"{k} = {v:g}" for k, v in zip(checked.names, values, strict=True))
        files = ", ".join(checked.paths[:4]) + (" ..." if len(checked.paths) > 4 else "")
        self.streak.add(checked.iteration, f"loss or gradient ({found}; batch: {files})")
        return False
