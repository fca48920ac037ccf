"""From options to a finished run: builds every part, resumes, trains."""

from __future__ import annotations

import contextlib
import datetime
import difflib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator, PartialState
from accelerate.state import AcceleratorState
from accelerate.utils import broadcast_object_list, set_seed
from filelock import FileLock, Timeout
from torch import nn
from torch.utils.data import DataLoader, Dataset

from ..data.loader import train_loader
from ..errors import OptionError, TrainingError
from ..evaluation.build import make_datasets, make_metrics
from ..evaluation.scores import Evaluation
from ..evaluation.validate import evaluate
from ..files import write_text
from ..options import Options, check_paths, dump_options
from ..registry import (
    DATASET_REGISTRY,
    DEGRADATION_REGISTRY,
    LOSS_REGISTRY,
    LR_REGISTRY,
    OPTIMIZER_REGISTRY,
    REGULARIZER_REGISTRY,
    SCHEDULE_REGISTRY,
)
from ..regularizers.schedules import LayerwiseAnnealing
from ..regularizers.sites import Site, attach
from ..weights import build_network, load_into
from .checkpoint import STATE, WEIGHTS, load_state, newest_state, saved_states, set_aside
from .log import TrainingLog
from .lr import LearningRate
from .precision import resolve_precision
from .trainer import MakePairs, Trainer, TrainingResult, TrainSettings, Validate, scalar


def run_training(
    options: Options, auto_resume: bool = False, quiet: bool = False
) -> TrainingResult:
    """Train as ``options`` say; the results stand in ``experiments_root/name``.

    Args:
        options: checked options.
        auto_resume: go on from the newest readable state of the experiment, if there is one.
            Without it (and without ``path.resume_state``) an experiment that is there already is
            renamed, never overwritten.
        quiet: nothing on the console.

    Raises:
        OptionError: an option that only shows to be wrong when its part is built.
        TrainingError: the run cannot go on, or another run works in the same folder.
    """
    options.require_train()
    check_paths(options, "train")
    # Without a GPU, accelerate joins several processes only when told that a CPU is meant.
    cpu = not torch.accelerator.is_available()
    device = PartialState(cpu=cpu).device
    assert device is not None
    with options.at("train"):
        precision = resolve_precision(options.train.precision, device)
    # Accelerate remembers the precision of its first use in a process; another run may differ.
    AcceleratorState._reset_state()
    accelerator = Accelerator(cpu=cpu, mixed_precision={"fp32": "no"}.get(precision, precision))
    folder = Path(options.path.experiments_root) / options.name
    with _only_run(folder, accelerator):
        resumed = _resume_point(options, folder, auto_resume, accelerator)
        with TrainingLog(
            folder,
            options.train.total_iter,
            resumed["iteration"] if resumed else 0,
            accelerator.is_main_process,
            options.logger.use_tb_logger,
            options.logger.wandb,
            quiet,
        ) as log:
            return _train(options, accelerator, folder, resumed, log)


def _train(
    options: Options,
    accelerator: Accelerator,
    folder: Path,
    resumed: dict[str, Any] | None,
    log: TrainingLog,
) -> TrainingResult:
    settings, train = make_settings(options), options.train
    set_seed(settings.seed + accelerator.process_index)
    with options.at("network_g"):
        net = build_network(options.network_g.options).to(accelerator.device)
    if options.path.pretrain_network_g is not None and resumed is None:
        load_into(net, options.path.pretrain_network_g, options.path.strict_load_g)
    if _wants_channels_last(train.channels_last, accelerator):
        net = net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    sites, annealing = regularize(net, options)
    make_pairs = make_degradation(options)
    margin = getattr(make_pairs, "margin", 0)
    training_set = make_training_set(options, margin)
    done = resumed["iteration"] if resumed else 0
    loader = make_loader(options, training_set, accelerator, done)
    with options.at("train", "optim_g"):
        optimizer = OPTIMIZER_REGISTRY.build(train.optim_g.options, params=net.parameters())
    trainer = Trainer(
        net,
        loader,
        {name: loss.to(accelerator.device) for name, loss in make_losses(options).items()},
        optimizer,
        accelerator,
        folder,
        settings,
        log,
        ema_decay=train.ema_decay,
        make_pairs=make_pairs,
        sites=sites,
        annealing=annealing,
        schedule=make_schedule(options),
        validate=make_validator(options, folder, log),
        compile_mode=_compile_mode(train.compile),
        metadata={"name": options.name, "options": dump_options(options)},
    )
    if resumed is not None:
        _resume(trainer, resumed, log)
    elif accelerator.is_main_process:
        write_text(folder / "options.yml", dump_options(options))
    precision = {"no": "fp32"}.get(accelerator.mixed_precision, accelerator.mixed_precision)
    log.info(
        f"{options.name}: {options.network_g.type} x{options.scale}, {len(sites)} sites, "
        f"{accelerator.num_processes} x {accelerator.device.type}, {precision}, "
        f"{len(training_set)} images"
    )
    return _finish(trainer.run(), log, settings)


def make_settings(options: Options) -> TrainSettings:
    """The loop's numbers out of the options."""
    train, logger = options.train, options.logger
    return TrainSettings(
        total_iter=train.total_iter,
        seed=options.manual_seed,
        warmup_iter=train.warmup_iter,
        accumulate=train.accumulate,
        grad_clip=train.grad_clip,
        print_freq=logger.print_freq,
        val_freq=options.val.val_freq if options.val else train.total_iter,
        save_freq=logger.save_checkpoint_freq,
        keep_checkpoints=logger.keep_checkpoints,
    )


def make_degradation(options: Options) -> MakePairs | None:
    """The degradation that turns GT crops into pairs, or None where LQ comes from files."""
    if options.degradation is None:
        return None
    with options.at("degradation"):
        return DEGRADATION_REGISTRY.build(options.degradation.options, scale=options.scale)


def make_training_set(options: Options, margin: int = 0) -> Any:
    """The dataset of GT crops (or LQ/GT crops), ``margin`` pixels larger on every side."""
    wanted = options.datasets.train
    assert wanted is not None  # require_train has seen to it
    with options.at("datasets", "train"):
        return DATASET_REGISTRY.build(wanted.options, scale=options.scale, margin=margin)


def make_loader(
    options: Options, training_set: Dataset[Any], accelerator: Accelerator, done: int
) -> DataLoader[Any]:
    """Endless batches of the training set, the first being that of iteration ``done + 1``."""
    wanted = options.datasets.train
    assert wanted is not None  # require_train has seen to it
    return train_loader(
        training_set,
        wanted.batch_size_per_gpu,
        min(wanted.num_worker_per_gpu, _cores()),  # the batches are the same for any number
        options.manual_seed,
        done * options.train.accumulate,
        accelerator.process_index,
        accelerator.num_processes,
    )


def make_schedule(options: Options) -> LearningRate | None:
    """The learning-rate schedule, or None for a constant rate."""
    wanted = options.train.scheduler
    if wanted is None:
        return None
    with options.at("train", "scheduler"):
        return LR_REGISTRY.build(wanted.options, total_iter=options.train.total_iter)


def regularize(net: nn.Module, options: Options) -> tuple[list[Site], LayerwiseAnnealing | None]:
    """Attach the options' regularizer to ``net`` and make its schedule."""
    wanted = options.regularizer
    if wanted is None:
        return [], None
    with options.at("regularizer"):
        prototype = REGULARIZER_REGISTRY.build(wanted.options)
        device = next(net.parameters()).device
        example = torch.zeros(1, 3, 32, 32, device=device)
        sites = attach(net, prototype, wanted.sites, example)
    if wanted.schedule is None or not sites:
        return sites, None
    with options.at("regularizer", "schedule"):
        return sites, SCHEDULE_REGISTRY.build(
            wanted.schedule.options, sites=sites, total_iter=options.train.total_iter
        )


def make_losses(options: Options) -> dict[str, nn.Module]:
    """The losses that the options ask for, by their names in the log."""
    wanted = {"l_pix": ("pixel_opt", options.train.pixel_opt)}
    wanted["l_percep"] = ("perceptual_opt", options.train.perceptual_opt)
    losses = {}
    for name, (key, component) in wanted.items():
        if component is not None:
            with options.at("train", key):
                losses[name] = _tried(LOSS_REGISTRY.build(component.options), component.type)
    if not losses:
        raise OptionError("no loss is left to train with.", ("train", "pixel_opt"))
    return losses


def _tried(loss: nn.Module, name: str) -> nn.Module:
    """The loss, after a call: those of other packages may want something else than (SR, GT)."""
    gray = torch.full((1, 3, 64, 64), 0.5)
    try:
        scalar(loss(gray, gray))
    except Exception as error:  # whatever a loss of another package raises
        raise OptionError(
            f"{name} cannot compare SR with GT ({error}).", hint="Choose another loss."
        ) from None
    return loss


def make_validator(options: Options, folder: Path, log: TrainingLog) -> Validate | None:
    """A function that scores a network on every ``val`` dataset of the options."""
    datasets = make_datasets(options, options.validation_datasets)
    if options.val is None or not datasets:
        return None
    metrics = make_metrics(options, log.warn)
    if not metrics:
        log.warn("no metric can be had here; going on without validation.")
        return None
    save_img = options.val.save_img

    def validate(network: nn.Module, iteration: int) -> tuple[dict[str, float], float]:
        scores: dict[str, float] = {}
        found: list[Evaluation] = []
        for name, dataset in datasets.items():
            place = folder / "visualization" / str(iteration) / name if save_img else None
            result = evaluate(network, dataset, metrics, save_dir=place, dataset_name=name)
            for image, problem in result.failures.items():
                log.warn(f"{name}: {image}: {problem}")
            for label in metrics:
                scores[f"{name}/{label}"] = result.mean(label)
                for recipe in result.recipes if len(result.recipes) > 1 else []:
                    scores[f"{name}/{recipe}/{label}"] = result.mean(label, recipe)
            found.append(result)
        told = ", ".join(f"{k} {v:.4g}" for k, v in scores.items() if k.count("/") == 1)
        log.info(f"validation at iteration {iteration}: {told}")
        first = next(iter(metrics))
        means = [result.mean(first) for result in found]
        rank = sum(means) / len(means)
        return scores, rank if found[0].higher_is_better[first] else -rank

    return validate


@contextlib.contextmanager
def _only_run(folder: Path, accelerator: Accelerator) -> Iterator[None]:
    """Hold the experiment's folder, so that two runs never write over each other."""
    lock = FileLock(folder.parent / f".{folder.name}.lock", timeout=0)
    problem = ""
    if accelerator.is_main_process:
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            lock.acquire()
        except Timeout:
            problem = f"{folder}: another training works there now. Wait for it, or change 'name'."
        except OSError as error:
            problem = (
                f"{folder.parent}: cannot be written ({error.strerror}). Choose another place with "
                "path.experiments_root."
            )
    # Every process must hear of it, or the others would wait for the first one for ever.
    (problem,) = broadcast_object_list([problem])
    if problem:
        raise TrainingError(problem)
    try:
        yield
    finally:
        lock.release()


def _resume_point(
    options: Options, folder: Path, auto_resume: bool, accelerator: Accelerator
) -> dict[str, Any] | None:
    """The state to go on from, if any; without one an older experiment is moved out of the way."""
    states = folder / "training_states"
    if auto_resume:
        _, state = newest_state(states, accelerator.print)
        if state is None and saved_states(states):
            raise TrainingError(
                f"{folder}: none of its training states can be read, nothing to go on from. "
                "Start anew without --auto-resume; the folder will be renamed, not overwritten."
            )
        if state is not None or options.path.resume_state is None:
            return state
    if options.path.resume_state is not None:
        return load_state(options.path.resume_state)
    if accelerator.is_main_process and folder.exists() and any(folder.iterdir()):
        stamp = datetime.datetime.now().strftime("%Y%m%d_%H%M%S")
        archived = folder.with_name(f"{folder.name}_archived_{stamp}")
        folder.rename(archived)
        print(f"{folder} is there already; renamed to {archived}.")
    accelerator.wait_for_everyone()
    return None


def _resume(trainer: Trainer, state: dict[str, Any], log: TrainingLog) -> None:
    before = state["metadata"].get("options", "")
    now = trainer.metadata["options"]
    for line in difflib.unified_diff(before.splitlines(), now.splitlines(), lineterm="", n=0):
        if line[0] in "+-" and not line.startswith(("+++", "---")):
            log.warn(f"options differ from the saved run: {line}")
    if trainer.accelerator.is_main_process:
        set_aside(trainer.folder / "training_states", STATE, state["iteration"])
        set_aside(trainer.folder / "models", WEIGHTS, state["iteration"])
    try:
        trainer.resume(state)
    except (RuntimeError, ValueError, KeyError) as error:
        reason = str(error).splitlines()[0]
        raise TrainingError(
            f"the training state of iteration {state['iteration']} does not fit these options: "
            f"{reason} Resume with the options it was saved with ({trainer.folder}/options.yml)."
        ) from None
    log.info(f"resumed after iteration {state['iteration']}")


def _finish(result: TrainingResult, log: TrainingLog, settings: TrainSettings) -> TrainingResult:
    if result.skipped_files:
        log.warn(f"{len(result.skipped_files)} files could not be read and were skipped.")
    if result.stopped_by is not None:
        log.info(
            f"stopped and saved at iteration {result.iteration} of {settings.total_iter}; "
            "go on with --auto-resume."
        )
    else:
        log.info(f"done: {result.iteration} iterations, weights in {log.folder / 'models'}")
    return result


def _cores() -> int:
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def _wants_channels_last(wanted: bool | None, accelerator: Accelerator) -> bool:
    """By default where half precision runs: there the convolutions want it (measured)."""
    return accelerator.mixed_precision != "no" if wanted is None else wanted


def _compile_mode(wanted: bool | str) -> str | None:
    if isinstance(wanted, str):
        return wanted
    return "default" if wanted else None
