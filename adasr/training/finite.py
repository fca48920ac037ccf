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

_ADVICE = "Try a smaller train.optim_g.lr, train.grad_clip, or train.precision: fp32."


class Streak:
    """Counts steps that are left out in a row; too many end the training.

    Args:
        warn: told about every one.
        place: the experiment's folder, for the last message.
        advice: what to change, the end of that message.
    """

    def __init__(self, warn: Callable[[str], None], place: object, advice: str = _ADVICE) -> None:
        self.warn, self.place, self.advice = warn, place, advice
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
                f"{iteration}. The last good checkpoint in {self.place} is untouched. {self.advice}"
            )


@dataclass
class _Checked:
    """A step whose numbers nobody has looked at yet.

    Args:
        streak: that counts it.
        iteration: it was in.
        what: names what is not finite, from the numbers.
        values: (n,) on the device; all finite where the step was done.
    """

    streak: Streak
    iteration: int
    what: Callable[[list[float]], str]
    values: Tensor


class FiniteWatch:
    """Lets the optimizer step only where everything is finite.

    On a GPU the optimizer itself leaves the step out, by a number on the device, and the loop hears
    of it at the next ``tell``: looking at every step would wait for it. Until then nothing on the
    host knows, so ``skipped`` goes to those who act after the step: the average of the weights
    stands still, and the discriminator leaves its own step out, as where a CPU looks at once.
    Optimizers that cannot do so, and CPUs, which have nothing to wait for, are looked after at
    once. The scaler of fp16 skips steps by itself, for infinite gradients it meets by design, and
    tells nobody: the average then moves towards weights that have not changed.

    Args:
        accelerator: device and processes.
        optimizer: the prepared one.
        warn: told about every step that is left out.
        place: the experiment's folder, for the last message.

    Attributes:
        skipped: of the last step, a boolean on the device where it is not known on the host
            whether it was left out; None where it is.
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
        self.deferred = can_defer(accelerator, optimizer)
        self.skipped: Tensor | None = None
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
        checked = _Checked(self.streak, iteration, _described(list(named), paths), watched)
        if self.deferred:
            self.skipped = ~watched.isfinite().all()
            step_unless(self.skipped, self.optimizer, accelerator)
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

    def follow(self, streak: Streak, iteration: int, what: str, values: Tensor | None) -> None:
        """Count another optimizer's step of the same iteration.

        Args:
            streak: that counts it.
            iteration: it was in.
            what: would not be finite.
            values: numbers that are finite where the step was done; they are looked at when those
                of the network's own step are. None where it is known to have been done.

        Raises:
            TrainingError: as for ``step``.
        """
        if values is None:
            streak.length = 0
            return
        checked = _Checked(streak, iteration, lambda _: what, values.reshape(-1))
        if self.deferred:
            self._checked.append(checked)
        else:
            self._look(checked, checked.values.tolist())

    def tell(self) -> None:
        """Look at the steps since the last call; a GPU is waited for here.

        Raises:
            TrainingError: as for ``step``.
        """
        checked, self._checked = self._checked, []
        if not checked:
            return
        counts = [len(step.values) for step in checked]
        numbers = torch.cat([step.values for step in checked]).cpu().split(counts)
        left_out = -1
        for step, values in zip(checked, numbers, strict=True):
            if step.iteration == left_out:
                continue  # with the network's step, for which it is not to blame
            if not self._look(step, values.tolist()) and step.streak is self.streak:
                left_out = step.iteration

    def _look(self, checked: _Checked, values: list[float]) -> bool:
        if all(abs(value) < float("inf") for value in values):  # False for NaN too
            checked.streak.length = 0
            return True
        checked.streak.add(checked.iteration, checked.what(values))
        return False


def can_defer(accelerator: Accelerator, optimizer: torch.optim.Optimizer) -> bool:
    """Whether to look is to wait, and the optimizer can leave a step out by itself."""
    groups = _inner(optimizer).param_groups
    return accelerator.device.type == "cuda" and all(group.get("fused") for group in groups)


def step_unless(
    skipped: Tensor, optimizer: torch.optim.Optimizer, accelerator: Accelerator
) -> None:
    """A step of a fused optimizer where ``skipped``, a boolean on its device, is false.

    The gradients are gone afterwards. With fp16 the scaler decides, which sees the same NaN.
    """
    inner = _inner(optimizer)
    if accelerator.scaler is None:
        inner.found_inf = skipped.float()
    try:
        optimizer.step()
    finally:
        if accelerator.scaler is None:
            del inner.found_inf
    optimizer.zero_grad(set_to_none=True)


def _inner(optimizer: torch.optim.Optimizer) -> Any:
    """The optimizer itself, without what accelerate puts around it."""
    return getattr(optimizer, "optimizer", optimizer)


def _described(names: Sequence[str], paths: Sequence[str]) -> Callable[[list[float]], str]:
    """Loss and gradient by name and the files they came from, for messages."""
    files = ", ".join(paths[:4]) + (" ..." if len(paths) > 4 else "")

    def describe(values: list[float]) -> str:
        found = ", ".join(f"{name} = {v:g}" for name, v in zip(names, values, strict=True))
        return f"loss or gradient ({found}; batch: {files})"

    return describe
