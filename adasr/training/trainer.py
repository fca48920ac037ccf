"""The training loop."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from torch import Tensor, nn

from ..losses.alignment import FeatureAlignment
from ..regularizers.schedules import LayerwiseAnnealing
from ..regularizers.sites import Site
from ..regularizers.tap import FeatureTap
from .adversarial import CHECKED, DISCRIMINATOR_ADVICE, Adversary
from .agreement import SignalAgreement
from .batches import MakePairs, Pairs, PairSource
from .ema import EMA
from .finite import FiniteWatch, Streak
from .log import TrainingLog
from .lr import LearningRate, learning_rate
from .memory import MemoryMeter
from .meter import Meter, status
from .rematerialize import checkpoint_activations
from .saving import Saver
from .settings import TrainingResult, TrainSettings
from .sharding import Sharding, shard, whole, without_reduction
from .signals import Interrupted, StopRequest

Validate = Callable[[nn.Module, int], tuple[dict[str, float], float]]
"""(network, iteration) -> scores, and the one number (higher is better) that ranks the weights."""


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
        plain_gt: losses (``l_g_gan``: the discriminator) that compare with GT before sharpening;
            ``make_pairs`` then gives both.
        alignment: a loss on the features of the two halves of the pairs; ``make_pairs`` then gives
            two degradations of every image, all first ones before all second ones.
        adversary: the discriminator's side of an adversarial training.
        sites: where the regularizer acts, for the log.
        annealing: sets the sites' weights before every step.
        schedule: learning rate by iteration.
        validate: scores a network.
        compile_mode: a mode of ``torch.compile``, or None.
        checkpointing: compute the features of the network's blocks again in the backward pass.
        sharding: divide the network's parameters, their averages and the optimizer's among the
            processes.
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
        plain_gt: Collection[str] = (),
        alignment: FeatureAlignment | None = None,
        adversary: Adversary | None = None,
        sites: Sequence[Site] = (),
        annealing: LayerwiseAnnealing | None = None,
        schedule: LearningRate | None = None,
        validate: Validate | None = None,
        compile_mode: str | None = None,
        checkpointing: bool = False,
        sharding: Sharding | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        self.net, self.loader, self.losses, self.folder = net, loader, losses, folder
        self.accelerator, self.settings, self.log = accelerator, settings, log
        self.make_pairs, self.sites, self.annealing = make_pairs, sites, annealing
        self.schedule, self.validate, self.metadata = schedule, validate, dict(metadata or {})
        self.plain_gt = plain_gt
        self.ema = EMA(net, ema_decay)
        self.alignment, self.adversary = alignment, adversary
        # After the copy for the average, which nobody needs to look into.
        self.tap = FeatureTap(net, alignment.site) if alignment is not None else None
        if checkpointing:
            checkpoint_activations(net)
        self.sharded = sharding is not None
        if sharding is not None:
            shard(net, optimizer, sharding, accelerator.device, accelerator.num_processes)
            self.ema.follow_shards(net)
        model = net if compile_mode is None else torch.compile(net, mode=compile_mode)
        if self.sharded:
            self.model, self.optimizer = model, accelerator.prepare(optimizer)
        else:
            self.model, self.optimizer = accelerator.prepare(model, optimizer)
        self.base_rates = [group["lr"] for group in optimizer.param_groups]
        self.parameters = [p for p in net.parameters() if p.requires_grad]
        self.model.train()
        self.watch = FiniteWatch(accelerator, self.optimizer, log.warn, folder)
        self.agree = SignalAgreement(accelerator)
        self.result, self.meter = TrainingResult(0), Meter()
        self.memory = MemoryMeter(accelerator.device)
        self.best: float | None = None
        self.unjudged = Streak(log.warn, folder, DISCRIMINATOR_ADVICE)
        self.validation_due = False
        self.drawn = getattr(getattr(loader, "batch_sampler", None), "drawn", 0)
        self.saver = Saver(
            accelerator,
            net,
            self.ema,
            self.optimizer,
            adversary,
            folder,
            settings.keep_checkpoints,
            self.metadata,
        )

    def run(self) -> TrainingResult:
        """Train to the end, or until a signal asks to stop; the state is saved either way.

        Raises:
            TrainingError: no finite loss for ``MAX_NONFINITE`` iterations, or a save failed.
        """
        settings, result = self.settings, self.result
        request = StopRequest(lambda name: self.log.warn(f"{name}: saving and stopping ..."))
        with request as stop, self.pairs() as source:
            if self.validation_due:  # a signal ended it when the state was saved
                self._validate(result.iteration, stop)
            for iteration in range(result.iteration + 1, settings.total_iter + 1):
                try:
                    losses = self.iterate(source, iteration, stop)
                except Interrupted:  # in the wait for the first pairs: nothing has been done yet
                    result.stopped_by = stop.signal
                    self.save()
                    break
                last = iteration == settings.total_iter
                if losses is not None and (last or iteration % settings.print_freq == 0):
                    self._report(iteration, losses)
                if self.validate is not None and (last or iteration % settings.val_freq == 0):
                    self._validate(iteration, stop)
                stopped_by = self.agree(stop.signal)
                if last or stopped_by is not None or iteration % settings.save_freq == 0:
                    self.save()
                if stopped_by is not None and (not last or self.validation_due):
                    result.stopped_by = stopped_by
                    break
        return result

    def pairs(self) -> PairSource:
        """The pairs of the iterations to come; leaving it ends the loader's workers."""
        batches = iter(self.loader)
        # After the loader's iterator: a data set may draw from the global generators.
        self.saver.restore_random_state()
        return PairSource(
            batches,
            self.make_pairs,
            self.accelerator.device,
            (self.settings.seed, self.accelerator.process_index),
            self.result.iteration,
            self.settings.accumulate,
        )

    def iterate(
        self, source: PairSource, iteration: int, stop: StopRequest | None = None
    ) -> dict[str, Tensor] | None:
        """One iteration; the losses, or None where the step is known to have been left out.

        Args:
            source: of pairs.
            iteration: 1-based.
            stop: what may end the wait for the first pairs.

        Raises:
            Interrupted: it did; nothing has changed.
            TrainingError: no finite loss for too many iterations in a row.
        """
        begin = time.perf_counter()
        if self.annealing is not None:
            self.annealing.step(iteration)
        self._set_learning_rate(iteration)
        # Several processes must all begin an iteration or none: the others would wait for this one.
        alone = stop if self.accelerator.num_processes == 1 else None
        with contextlib.nullcontext() if alone is None else alone.interruptible():
            first = self._next_pairs(source)
        losses = self._optimize(first, source, iteration)
        self.result.iteration = iteration
        self.meter.end(time.perf_counter() - begin)
        return losses

    def _optimize(
        self, first: Pairs, source: PairSource, iteration: int
    ) -> dict[str, Tensor] | None:
        accelerator, adversary = self.accelerator, self.adversary
        generates = adversary is None or adversary.trains_generator(iteration)
        parts = self.settings.accumulate
        losses: dict[str, Tensor] = {}
        paths: list[str] = []
        judged: list[tuple[Tensor, Tensor]] = []
        for part in range(parts):
            pairs = self._next_pairs(source) if part else first
            self.drawn += len(pairs.paths) * accelerator.num_processes
            paths += pairs.paths
            last = part == parts - 1
            with (
                contextlib.nullcontext() if last else self._no_sync(),
                torch.set_grad_enabled(generates),
            ):
                with accelerator.autocast():
                    sr = self.model(pairs.lq)
                sr = sr.float()
                if self.tap is not None and not generates:
                    self.tap.clear()
                if generates:
                    terms = self._terms(sr, pairs)
                    accelerator.backward(torch.stack(list(terms.values())).sum() / parts)
                    if self.tap is not None:
                        self.tap.clear()  # features that were computed again
                    for name, value in terms.items():
                        losses[name] = losses.get(name, 0.0) + value.detach() / parts
            if adversary is not None:
                judged.append((sr.detach(), self._target(pairs, "l_g_gan")))
        if generates and not self._step(losses, iteration, paths):
            if adversary is not None:
                adversary.discard()
            return None
        skipped = self.watch.skipped if generates else None
        if adversary is not None:
            losses |= adversary.update(judged, skipped)
            what = "the discriminator's loss or gradient (train.optim_d)"
            self.watch.follow(self.unjudged, iteration, what, losses.pop(CHECKED, None))
        self.ema.update(skipped)
        return losses

    def _terms(self, sr: Tensor, pairs: Pairs) -> dict[str, Tensor]:
        """What the network descends on: numbers that are added."""
        terms = {
            name: scalar(loss(sr, self._target(pairs, name))) for name, loss in self.losses.items()
        }
        if self.alignment is not None and self.tap is not None:
            aligned = self.alignment(self.tap.take().float())
            terms |= {f"l_align_{name}": term for name, term in aligned.items()}
        if self.adversary is not None:
            terms |= self.adversary.generator_loss(sr, self._target(pairs, "l_g_gan"))
        return terms

    def _target(self, pairs: Pairs, name: str) -> Tensor:
        """The GT that a loss compares with."""
        plain = pairs.gt_plain if name in self.plain_gt else None
        return pairs.gt if plain is None else plain

    def _step(self, losses: Mapping[str, Tensor], iteration: int, paths: list[str]) -> bool:
        """Clip and step where all is finite; False where the step is known to be left out."""
        if self.accelerator.scaler is not None:
            self.accelerator.unscale_gradients(self.optimizer)
        norm = torch.nn.utils.get_total_norm(
            [p.grad for p in self.parameters if p.grad is not None]
        )
        if self.settings.grad_clip is not None:
            torch.nn.utils.clip_grads_with_norm_(self.parameters, self.settings.grad_clip, norm)
        return self.watch.step(losses, whole(norm), iteration, paths)

    def _no_sync(self) -> contextlib.AbstractContextManager[Any]:
        """Backward passes in here are not yet averaged over the processes."""
        return without_reduction(self.net) if self.sharded else self.accelerator.no_sync(self.model)

    def _next_pairs(self, source: PairSource) -> Pairs:
        pairs = next(source)
        self.meter.add(pairs.seconds)
        self._note_skipped(pairs.skipped)
        return pairs

    def _note_skipped(self, skipped: Mapping[str, str]) -> None:
        told = self.result.skipped_files if self.accelerator.is_main_process else skipped
        for path, problem in skipped.items():
            if path not in told:
                self.log.warn(f"skipped {path}: {problem}")
        self.result.skipped_files.update(skipped)

    def _set_learning_rate(self, iteration: int) -> None:
        for group, base in zip(self.optimizer.param_groups, self.base_rates, strict=True):
            group["lr"] = learning_rate(iteration, base, self.schedule, self.settings.warmup_iter)
        if self.adversary is not None:
            self.adversary.set_learning_rate(
                self.optimizer.param_groups[0]["lr"] / self.base_rates[0]
            )

    def _report(self, iteration: int, losses: Mapping[str, Tensor]) -> None:
        begin = time.perf_counter()
        self.watch.tell()
        means = cast(Tensor, self.accelerator.reduce(torch.stack(list(losses.values())), "mean"))
        values = dict(zip(losses, means.tolist(), strict=True))
        self.meter.wait(time.perf_counter() - begin)
        speed = self.meter.read()
        weights = {site.name: site.weight for site in self.sites}
        rate = self.optimizer.param_groups[0]["lr"]
        self.log.metrics(
            iteration,
            "train",
            {**values, "lr": rate, **speed, **self.memory.read(), "weights": weights},
        )
        told = status(values, speed, self.result.scores, list(weights.values()))
        self.log.progress(iteration, told)
        remaining = (self.settings.total_iter - iteration) / speed["iterations_per_second"]
        if not self.log.console.is_terminal:
            self.log.info(f"iteration {iteration}: {told}, lr {rate:.2e}, {remaining:.0f} s left")

    def _validate(self, iteration: int, stop: StopRequest) -> None:
        assert self.validate is not None
        self.accelerator.wait_for_everyone()
        network = self.ema.whole(self.accelerator.is_main_process)
        if self.accelerator.is_main_process:
            self.validation_due = True
            try:
                with stop.interruptible():
                    scores, rank = self.validate(network, iteration)
            except Interrupted:
                self.log.warn(f"the validation at iteration {iteration} is left to the resumed run")
            else:
                self.validation_due = False
                self.result.scores = scores
                self.log.metrics(iteration, "val", scores)
                if not math.isnan(rank) and (self.best is None or rank > self.best):
                    self.best, self.result.best_iteration = rank, iteration
                    self.saver.save_weights(network, "best", iteration)
        self.accelerator.wait_for_everyone()

    def save(self) -> None:
        """Write weights and training state of this moment, then drop the oldest.

        Raises:
            TrainingError: the disk is full or the place cannot be written.
        """
        self.watch.tell()
        for skipped in gather_object([self.result.skipped_files]):
            self._note_skipped(skipped)
        progress = {
            "best": [self.best, self.result.best_iteration],
            "nonfinite": self.watch.streak.length,
            "unjudged": self.unjudged.length,
            "drawn": self.drawn,
            "validation_due": self.validation_due,
        }
        self.saver.save(self.result.iteration, progress)

    def resume(self, state: Mapping[str, Any]) -> None:
        """Go on from ``state``; call it before ``run``, with a loader that starts after it."""
        self.saver.restore(state)
        self.result.iteration = state["iteration"]
        self.best, self.result.best_iteration = state["best"]
        self.watch.streak.length = state["nonfinite"]
        self.unjudged.length = state.get("unjudged", 0)
        self.validation_due = self.validate is not None and state.get("validation_due", False)


def scalar(loss: Any) -> Tensor:
    """A loss as one number; some of BasicSR's give a pair of which one part may be None."""
    if isinstance(loss, Tensor):
        return loss
    return torch.stack([part for part in loss if part is not None]).sum()
