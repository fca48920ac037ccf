"""The training loop."""

from __future__ import annotations

import contextlib
import hashlib
import math
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from torch import Tensor, nn

from ..errors import TrainingError
from ..losses.alignment import FeatureAlignment
from ..regularizers.schedules import LayerwiseAnnealing
from ..regularizers.sites import Site
from ..regularizers.tap import FeatureTap
from ..weights import save_network
from .checkpoint import (
    STATE,
    WEIGHTS,
    explained,
    prune,
    random_state,
    restore_random_state,
    save_state,
)
from .ema import EMA
from .log import TrainingLog
from .lr import LearningRate, learning_rate
from .settings import TrainingResult, TrainSettings
from .signals import StopRequest

MAX_NONFINITE = 10
"""Training stops after so many iterations in a row without a finite loss and gradient."""


Validate = Callable[[nn.Module, int], tuple[dict[str, float], float]]
"""(network, iteration) -> scores, and the one number (higher is better) that ranks the weights."""

MakePairs = Callable[[Tensor, torch.Generator], tuple[Tensor, Tensor]]
"""(GT crops (N, 3, H, W), generator) -> (LQ, GT); the degradation."""


class Trainer:
    """Trains ``net`` on batches of a loader until ``settings.total_iter``.

    Args:
        net: the plain network, on the accelerator's device, its regularizer attached.
        loader: endless batches ``{"gt": (N, 3, H, W)[, "lq"], "path": [...], "skipped": [...]}``;
            the next one is that of the first iteration to do.
        losses: name -> module (SR, GT) -> scalar; they are added.
        optimizer: over the parameters of ``net``.
        accelerator: device, precision, processes.
        folder: the experiment's folder.
        settings: the run's numbers.
        log: where it tells what happens.
        ema_decay: decay of the averaged weights, which are validated and saved.
        make_pairs: the degradation; None when the batches hold LQ.
        alignment: a loss on the features of the two halves of the pairs; ``make_pairs`` then gives
            two degradations of every image, all first ones before all second ones.
        sites: where the regularizer acts, for the log.
        annealing: sets the sites' weights before every step.
        schedule: learning rate by iteration.
        validate: scores a network.
        compile_mode: a mode of ``torch.compile``, or None.
        metadata: goes into the weights' files.
    """

    def __init__(
        self,
        net: nn.Module,
        loader: Any,
        losses: Mapping[str, nn.Module],
        optimizer: torch.optim.Optimizer,
        accelerator: Accelerator,
        folder: Path,
        settings: TrainSettings,
        log: TrainingLog,
        *,
        ema_decay: float = 0.999,
        make_pairs: MakePairs | None = None,
        alignment: FeatureAlignment | None = None,
        sites: Sequence[Site] = (),
        annealing: LayerwiseAnnealing | None = None,
        schedule: LearningRate | None = None,
        validate: Validate | None = None,
        compile_mode: str | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        self.net, self.loader, self.losses, self.folder = net, loader, losses, folder
        self.accelerator, self.settings, self.log = accelerator, settings, log
        self.make_pairs, self.sites, self.annealing = make_pairs, sites, annealing
        self.schedule, self.validate, self.metadata = schedule, validate, dict(metadata or {})
        self.ema = EMA(net, ema_decay)
        self.alignment = alignment
        # After the copy for the average, which nobody needs to look into.
        self.tap = FeatureTap(net, alignment.site) if alignment is not None else None
        model = net if compile_mode is None else torch.compile(net, mode=compile_mode)
        self.model, self.optimizer = accelerator.prepare(model, optimizer)
        self.base_rates = [group["lr"] for group in optimizer.param_groups]
        self.parameters = [p for p in net.parameters() if p.requires_grad]
        self.result = TrainingResult(0)
        self.best: float | None = None
        self.nonfinite = 0
        self._saved_random_state: dict[str, Any] | None = None
        self._seconds = {"data": 0.0, "degradation": 0.0, "total": 0.0}
        self._since_report = 0

    def run(self) -> TrainingResult:
        """Train to the end, or until a signal asks to stop; the state is saved either way.

        Raises:
            TrainingError: no finite loss for ``MAX_NONFINITE`` iterations, or a save failed.
        """
        settings, result = self.settings, self.result
        batches = closable(iter(self.loader))
        if self._saved_random_state is not None:
            # After the loader's iterator: a data set may draw from the global generators.
            restore_random_state(self._saved_random_state)
        self.model.train()
        request = StopRequest(lambda name: self.log.warn(f"{name}: saving and stopping ..."))
        with request as stop, contextlib.closing(batches):
            for iteration in range(result.iteration + 1, settings.total_iter + 1):
                begin = time.perf_counter()
                if self.annealing is not None:
                    self.annealing.step(iteration)
                self._set_learning_rate(iteration)
                losses = self._optimize(batches, iteration)
                result.iteration = iteration
                self._seconds["total"] += time.perf_counter() - begin
                self._since_report += 1

                last = iteration == settings.total_iter
                if losses is not None and (last or iteration % settings.print_freq == 0):
                    self._report(iteration, losses)
                if self.validate is not None and (last or iteration % settings.val_freq == 0):
                    self._validate(iteration)
                stopped_by = self._agreed(stop.signal)
                if last or stopped_by is not None or iteration % settings.save_freq == 0:
                    self.save()
                if stopped_by is not None and not last:
                    result.stopped_by = stopped_by
                    break
        return result

    def _optimize(self, batches: Iterator[Any], iteration: int) -> dict[str, Tensor] | None:
        """One step of the optimizer; the losses, or None where nothing finite came out."""
        accelerator, parts = self.accelerator, self.settings.accumulate
        sums: dict[str, Tensor] = {}
        paths: list[str] = []
        for part in range(parts):
            lq, gt, names = self._next_pairs(batches, iteration, part)
            paths += names
            last = part == parts - 1
            with contextlib.nullcontext() if last else accelerator.no_sync(self.model):
                with accelerator.autocast():
                    sr = self.model(lq)
                losses = {name: scalar(loss(sr.float(), gt)) for name, loss in self.losses.items()}
                losses |= self._alignment_terms()
                total = torch.stack(list(losses.values())).sum()
                accelerator.backward(total / parts)
            for name, value in losses.items():
                sums[name] = sums.get(name, 0.0) + value.detach() / parts
        if not self._gradients_are_finite(sums, iteration, paths):
            return None
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.ema.update()
        return sums

    def _alignment_terms(self) -> dict[str, Tensor]:
        if self.alignment is None or self.tap is None:
            return {}
        terms = self.alignment(self.tap.take().float())
        return {f"l_align_{name}": term for name, term in terms.items()}

    def _next_pairs(
        self, batches: Iterator[Any], iteration: int, part: int
    ) -> tuple[Tensor, Tensor, list[str]]:
        begin = time.perf_counter()
        batch = next(batches)
        self._note_skipped(dict(batch["skipped"]))
        device = self.accelerator.device
        gt = batch["gt"].to(device, non_blocking=True)
        loaded = time.perf_counter()
        self._seconds["data"] += loaded - begin
        if self.make_pairs is None:
            lq = batch["lq"].to(device, non_blocking=True)
        else:
            rank = self.accelerator.process_index
            lq, gt = self.make_pairs(gt, generator(self.settings.seed, rank, iteration, part))
        self._seconds["degradation"] += time.perf_counter() - loaded
        return lq, gt, list(batch["path"])

    def _note_skipped(self, skipped: Mapping[str, str]) -> None:
        told = self.result.skipped_files if self.accelerator.is_main_process else skipped
        for path, problem in skipped.items():
            if path not in told:
                self.log.warn(f"skipped {path}: {problem}")
        self.result.skipped_files.update(skipped)

    def _gradients_are_finite(
        self, losses: Mapping[str, Tensor], iteration: int, paths: list[str]
    ) -> bool:
        """Clip, and look for NaN and infinity; a bad step is named and left out."""
        accelerator, clip = self.accelerator, self.settings.grad_clip
        if accelerator.scaler is not None:
            accelerator.unscale_gradients()
        gradients = [p.grad for p in self.parameters if p.grad is not None]
        norm = torch.nn.utils.get_total_norm(gradients)
        if clip is not None:
            torch.nn.utils.clip_grads_with_norm_(self.parameters, clip, norm)
        # The scaler of fp16 meets infinite gradients by design; it skips and lowers its scale.
        watched = torch.stack([*losses.values(), *([] if accelerator.scaler else [norm])])
        # Another process's loss shows up in this one's gradient, so all decide alike.
        if accelerator.num_processes > 1:
            watched = cast(Tensor, accelerator.reduce(watched))
        if bool(torch.isfinite(watched).all()):
            self.nonfinite = 0
            return True
        self.nonfinite += 1
        self.optimizer.zero_grad(set_to_none=True)
        if accelerator.scaler is not None:
            accelerator.scaler.update()  # it was asked to unscale and must end this step too
        found = ", ".join(f"{name} = {float(value):g}" for name, value in losses.items())
        self.log.warn(
            f"iteration {iteration}: loss or gradient is not finite ({found}, gradient norm "
            f"{float(norm):g}); the step is left out. Batch: {', '.join(paths[:4])}"
            + (" ..." if len(paths) > 4 else "")
        )
        if self.nonfinite >= MAX_NONFINITE:
            raise TrainingError(
                f"no finite loss for {MAX_NONFINITE} iterations in a row; stopped at iteration "
                f"{iteration}. The last good checkpoint in {self.folder} is untouched. Try a "
                "smaller learning rate, train.grad_clip, or train.precision: fp32."
            )
        return False

    def _agreed(self, signal: int | None) -> int | None:
        """The signal that any process got: all stop after the same iteration, or none would."""
        if self.accelerator.num_processes == 1:
            return signal
        own = torch.tensor([signal or 0], device=self.accelerator.device)
        return int(cast(Tensor, self.accelerator.gather(own)).max()) or None

    def _set_learning_rate(self, iteration: int) -> None:
        for group, base in zip(self.optimizer.param_groups, self.base_rates, strict=True):
            group["lr"] = learning_rate(iteration, base, self.schedule, self.settings.warmup_iter)

    def _report(self, iteration: int, losses: Mapping[str, Tensor]) -> None:
        seconds, self._seconds = self._seconds, dict.fromkeys(self._seconds, 0.0)
        count, self._since_report = self._since_report, 0
        values = {name: float(value) for name, value in losses.items()}
        speed = count / max(seconds["total"], 1e-9)
        weights = [site.weight for site in self.sites]
        shares = {
            "data_wait": seconds["data"] / max(seconds["total"], 1e-9),
            "degradation": seconds["degradation"] / max(seconds["total"], 1e-9),
        }
        rate = self.optimizer.param_groups[0]["lr"]
        self.log.metrics(
            iteration,
            "train",
            {**values, "lr": rate, "iterations_per_second": speed, **shares, "weights": weights},
        )
        scores = "".join(f", {k} {v:.2f}" for k, v in list(self.result.scores.items())[:1])
        status = (
            f"{speed:.2f} it/s, {', '.join(f'{k} {_short(v)}' for k, v in values.items())}{scores}"
            f", data {shares['data_wait']:.0%}{_shown(weights)}"
        )
        self.log.progress(iteration, status)
        remaining = (self.settings.total_iter - iteration) / speed
        if not self.log.console.is_terminal:
            self.log.info(f"iteration {iteration}: {status}, lr {rate:.2e}, {remaining:.0f} s left")

    def _validate(self, iteration: int) -> None:
        assert self.validate is not None
        self.accelerator.wait_for_everyone()
        if self.accelerator.is_main_process:
            scores, rank = self.validate(self.ema.network, iteration)
            self.result.scores = scores
            self.log.metrics(iteration, "val", scores)
            if not math.isnan(rank) and (self.best is None or rank > self.best):
                self.best, self.result.best_iteration = rank, iteration
                self._save_weights("best", iteration)
        self.accelerator.wait_for_everyone()

    def save(self) -> None:
        """Write weights and training state of this moment, then drop the oldest.

        Raises:
            TrainingError: the disk is full or the place cannot be written.
        """
        states = gather_object([random_state()])
        for skipped in gather_object([self.result.skipped_files]):
            self._note_skipped(skipped)
        if self.accelerator.is_main_process:
            iteration, keep = self.result.iteration, self.settings.keep_checkpoints
            models, folder = self.folder / "models", self.folder / "training_states"
            self._save_weights(str(iteration), iteration)
            save_state(folder / f"{iteration}.state", self._state(states))
            prune(models, WEIGHTS, keep)
            prune(folder, STATE, keep)
        self.accelerator.wait_for_everyone()

    def _save_weights(self, label: str, iteration: int) -> None:
        path = self.folder / "models" / f"net_g_{label}.safetensors"
        metadata = {**self.metadata, "iteration": str(iteration)}
        with explained(path):
            save_network(path, self.ema.network, metadata)

    def _state(self, random_states: list[dict[str, Any]]) -> dict[str, Any]:
        scaler = self.accelerator.scaler
        return {
            "iteration": self.result.iteration,
            "network": self.net.state_dict(),
            "ema": self.ema.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": None if scaler is None else scaler.state_dict(),
            "random": random_states,
            "best": [self.best, self.result.best_iteration],
            "nonfinite": self.nonfinite,
            "metadata": self.metadata,
        }

    def resume(self, state: Mapping[str, Any]) -> None:
        """Go on from ``state``; call it before ``run``, with a loader that starts after it."""
        self.result.iteration = state["iteration"]
        self.net.load_state_dict(state["network"])
        self.ema.network.load_state_dict(state["ema"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.accelerator.scaler is not None and state["scaler"] is not None:
            self.accelerator.scaler.load_state_dict(state["scaler"])
        self.best, self.result.best_iteration = state["best"]
        self.nonfinite = state["nonfinite"]
        states, rank = state["random"], self.accelerator.process_index
        if rank < len(states):
            self._saved_random_state = states[rank]


def closable(batches: Iterator[Any]) -> Generator[Any, None, None]:
    """``batches`` as a generator: closing it lets go of them, which ends the loader's workers."""
    yield from batches


def generator(*key: int) -> torch.Generator:
    """A CPU generator whose stream is a pure function of ``key``."""
    digest = hashlib.blake2b(repr(key).encode(), digest_size=8).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest, "little") >> 1)


def scalar(loss: Any) -> Tensor:
    """A loss as one number; some of BasicSR's give a pair of which one part may be None."""
    if isinstance(loss, Tensor):
        return loss
    return torch.stack([part for part in loss if part is not None]).sum()


def _short(loss: float) -> str:
    return f"{loss:.1e}" if 0 < loss < 1e-3 else f"{loss:.4f}"


def _shown(weights: list[float]) -> str:
    if not weights:
        return ""
    done = sum(w == 1.0 for w in weights)
    return f", sites {done}/{len(weights)} annealed" if done else f", weights {weights[0]:.2f}"
