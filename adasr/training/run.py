"""From options to a finished run: builds every part, resumes, trains."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator, PartialState
from accelerate.state import AcceleratorState
from accelerate.utils import broadcast_object_list, set_seed
from torch import nn

from ..errors import OptionError, TrainingError
from ..files import write_text
from ..options import Options, check_paths, dump_options
from ..registry import (
    OPTIMIZER_REGISTRY,
)
from ..weights import build_network, load_into
from .agreement import PATIENCE
from .backends import set_backends
from .build import (
    align,
    choose_targets,
    make_degradation,
    make_loader,
    make_losses,
    make_schedule,
    make_settings,
    make_training_set,
    make_validator,
    pairs_of,
    regularize,
)
from .build_adversary import make_adversary
from .checkpoint import (
    DISCRIMINATORS,
    STATE,
    WEIGHTS,
    differences,
    load_state,
    newest_state,
    saved_states,
    set_aside,
)
from .experiment import only_run, place
from .log import TrainingLog
from .precision import resolve_precision
from .processes import accelerate_unsharded, launched_sharding
from .settings import TrainingResult, TrainSettings
from .sharding import Sharding
from .trainer import Trainer, Validate


def run_training(
    options: Options,
    auto_resume: bool = False,
    quiet: bool = False,
    notes: Sequence[str] = (),
) -> TrainingResult:
    """Train as ``options`` say; the results stand in ``experiments_root/name``.

    Args:
        options: checked options.
        auto_resume: go on from the newest readable state of the experiment, if there is one.
            Without it (and without ``path.resume_state``) an experiment that is there already is
            renamed, never overwritten.
        quiet: nothing on the console.
        notes: lines for ``train.log`` that the console has shown.

    Raises:
        OptionError: an option that only shows to be wrong when its part is built.
        TrainingError: the run cannot go on, or another run works in the same folder.
    """
    options.require_train()
    check_paths(options, "train")
    # Without a GPU, accelerate joins several processes only when told that a CPU is meant.
    cpu = not torch.accelerator.is_available()
    sharding = launched_sharding()
    with accelerate_unsharded():
        device = PartialState(cpu=cpu, timeout=PATIENCE).device
    assert device is not None
    with options.at("train"):
        precision = resolve_precision(options.train.precision, device)
    set_backends(device, options.train.deterministic)
    # Accelerate remembers the precision of its first use in a process; another run may differ.
    AcceleratorState._reset_state()
    mixed_precision = {"fp32": "no"}.get(precision, precision)
    with accelerate_unsharded():
        accelerator = Accelerator(cpu=cpu, mixed_precision=mixed_precision)
    if accelerator.num_processes == 1:
        sharding = None  # it has all of the network anyway
    folder = Path(options.path.experiments_root) / options.name
    with only_run(folder, accelerator):
        resumed = _resume_point(options, folder, auto_resume, accelerator)
        with (
            place(folder, resumed is None, accelerator) as begun,
            TrainingLog(
                folder,
                options.train.total_iter,
                resumed["iteration"] if resumed else 0,
                accelerator.is_main_process,
                options.logger.use_tb_logger,
                options.logger.wandb,
                quiet,
            ) as log,
        ):
            for line in (*options.source.notes, *notes):  # the command line has printed them
                log.note(line)
            trainer = make_trainer(options, accelerator, folder, log, resumed, sharding)
            begun()
            log.begin()
            return _finish(trainer.run(), log, trainer.settings)


def make_trainer(
    options: Options,
    accelerator: Accelerator,
    folder: Path,
    log: TrainingLog,
    resumed: dict[str, Any] | None = None,
    sharding: Sharding | None = None,
) -> Trainer:
    """A trainer with all its parts, at the place where ``resumed`` was saved.

    Args:
        options: checked options of a training.
        accelerator: device, precision, processes.
        folder: the experiment's folder.
        log: where the run tells what happens.
        resumed: a training state.
        sharding: how the processes divide the network among them, if they do.

    Raises:
        OptionError: an option that only shows to be wrong when its part is built.
        TrainingError: the state does not fit the options.
    """
    settings, train = make_settings(options), options.train
    set_seed(settings.seed + accelerator.process_index)
    with options.at("network_g"):
        net = build_network(options.network_g.options).to(accelerator.device)
    start = options.path
    if start.pretrain_network_g is not None and resumed is None:
        load_into(net, start.pretrain_network_g, start.strict_load_g, start.param_key_g)
    if _wants_channels_last(train.channels_last, accelerator):
        net = net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    sites, annealing = regularize(net, options)
    degradation = make_degradation(options)
    training_set = make_training_set(options, degradation)
    make_pairs, alignment = align(options, net, pairs_of(degradation, training_set))
    make_pairs, plain_gt = choose_targets(options, degradation, make_pairs)
    done = resumed["iteration"] if resumed else 0
    drawn = resumed.get("drawn") if resumed else None
    loader = make_loader(options, training_set, accelerator, done, drawn)
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
        plain_gt=plain_gt,
        alignment=alignment,
        adversary=make_adversary(options, accelerator, fresh=resumed is None),
        sites=sites,
        annealing=annealing,
        schedule=make_schedule(options),
        validate=_validator(options, folder, log),
        compile_mode=_compile_mode(train.compile),
        checkpointing=train.checkpoint_activations,
        sharding=sharding,
        metadata={"name": options.name, "options": dump_options(options)},
    )
    if resumed is not None:
        _resume(trainer, resumed, log)
    elif accelerator.is_main_process:
        write_text(folder / "options.yml", dump_options(options))
    precision = {"no": "fp32"}.get(accelerator.mixed_precision, accelerator.mixed_precision)
    end = getattr(annealing, "end", 0)
    if end > settings.total_iter:
        log.warn(
            f"annealing ends at iteration {end}, the training at {settings.total_iter}: "
            "some sites keep their dropout to the end."
        )
    stay = " that stay as they are" if sites and annealing is None else ""
    log.info(
        f"{options.name}: {options.network_g.type} x{options.scale}, {len(sites)} sites{stay}, "
        f"{accelerator.num_processes} x {accelerator.device.type}"
        f"{'' if sharding is None else ' sharded'}, {precision}, "
        f"{len(getattr(training_set, 'files', training_set))} images"
    )
    return trainer


def _validator(options: Options, folder: Path, log: TrainingLog) -> Validate | None:
    """What scores the network, in the first process; whether there is any it decides for all.

    Processes that validate wait for each other, and on another machine a metric's weights may be
    missing.
    """
    own = make_validator(options, folder, log)
    (there,) = broadcast_object_list([own is not None])
    return (own or _elsewhere) if there else None


def _elsewhere(network: nn.Module, iteration: int) -> tuple[dict[str, float], float]:
    raise AssertionError("the first process alone scores")


def _resume_point(
    options: Options, folder: Path, auto_resume: bool, accelerator: Accelerator
) -> dict[str, Any] | None:
    """The state to go on from, if any."""
    states, first = folder / "training_states", accelerator.is_main_process
    if auto_resume:  # the first process chooses: on a network's disk others may see other files
        path, state = newest_state(states, accelerator.print) if first else (None, None)
        (path,) = broadcast_object_list([path])
        if path is not None and not first:
            state = load_state(path)
        if state is None and saved_states(states):
            raise TrainingError(
                f"{folder}: none of its training states can be read, nothing to go on from. "
                "Start anew without --auto-resume; the folder will be renamed, not overwritten."
            )
        if state is not None or options.path.resume_state is None:
            return state
    if options.path.resume_state is not None:
        return load_state(options.path.resume_state)
    start = options.path.pretrain_network_g
    if start is not None and start.absolute().is_relative_to(folder.absolute()):
        with options.at("path", "pretrain_network_g"):
            raise OptionError(
                "is in the experiment's own folder, which is renamed when it starts anew.",
                hint="Give the run another name.",
            )
    return None


def _resume(trainer: Trainer, state: dict[str, Any], log: TrainingLog) -> None:
    processes = trainer.accelerator.num_processes
    for line in differences(state, trainer.metadata["options"], processes):
        log.warn(line)
    try:
        trainer.resume(state)
    except (RuntimeError, ValueError, KeyError) as error:
        reason = str(error).splitlines()[0]
        raise TrainingError(
            f"the training state of iteration {state['iteration']} does not fit these options: "
            f"{reason} Resume with the options it was saved with ({trainer.folder}/options.yml)."
        ) from None
    if trainer.accelerator.is_main_process:  # now that nothing can be refused any more
        set_aside(trainer.folder / "training_states", STATE, state["iteration"])
        for pattern in (WEIGHTS, DISCRIMINATORS):
            set_aside(trainer.folder / "models", pattern, state["iteration"])
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


def _wants_channels_last(wanted: bool | None, accelerator: Accelerator) -> bool:
    """By default where half precision runs: there the convolutions want it (measured)."""
    return accelerator.mixed_precision != "no" if wanted is None else wanted


def _compile_mode(wanted: bool | str) -> str | None:
    if isinstance(wanted, str):
        return wanted
    return "default" if wanted else None
