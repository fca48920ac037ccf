"""Several processes of one training, and how they were launched."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from typing import Literal

import torch
from accelerate.utils import str_to_bool

from ..errors import TrainingError
from .sharding import Sharding

_LOST = re.compile(r"gloo|NCCL|Connection (reset|closed)|broken pipe", re.IGNORECASE)
_USE_FSDP = "ACCELERATE_USE_FSDP"
# What accelerate's configuration may ask for, and what to do instead.
_REFUSED = {
    "FSDP_OFFLOAD_PARAMS": "parameters stay on the device. Set fsdp_offload_params to false.",
    "FSDP_ACTIVATION_CHECKPOINTING": "set it to false, and train.checkpoint_activations in the "
    "option file to true.",
    "ACCELERATE_USE_PARALLELISM_CONFIG": "all processes share one network. Leave the parallelism "
    "configuration out.",
}


def lost_process(error: BaseException) -> bool:
    """Whether ``error`` is how this process hears that another one of its training is gone."""
    distributed = torch.distributed
    if not (distributed.is_available() and distributed.is_initialized()):
        return False
    if distributed.get_world_size() == 1 or not isinstance(error, RuntimeError):
        return False
    return isinstance(error, distributed.DistError) or bool(_LOST.search(str(error)))


def leave_group() -> None:
    """Part from the other processes at the end; torch warns of processes that do not."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def launched_sharding() -> Sharding | None:
    """How ``accelerate launch`` was told to shard the network; None where it was not.

    Raises:
        TrainingError: in a way that this training does not know, or with DeepSpeed or Megatron-LM.
    """
    for name in ("DEEPSPEED", "MEGATRON_LM"):
        if _is_set(f"ACCELERATE_USE_{name}"):
            raise TrainingError(
                f"launched with {name}, which this training does not know. To share a network "
                "among processes launch with accelerate launch --use_fsdp --fsdp_version 2."
            )
    if not _is_set(_USE_FSDP):
        return None
    if os.environ.get("FSDP_VERSION", "1") != "2":
        raise TrainingError(
            "launched with FSDP 1. Add --fsdp_version 2 to accelerate launch, or fsdp_version: 2 "
            "to fsdp_config in its configuration file."
        )
    for name, remedy in _REFUSED.items():
        if _is_set(name):
            raise TrainingError(f"launched with {name}, which is not supported: {remedy}")
    if os.environ.get("FSDP_IGNORED_MODULES"):
        raise TrainingError(
            "launched with FSDP_IGNORED_MODULES, which is not supported: all parameters are "
            "sharded. Leave fsdp_ignored_modules out."
        )
    units, classes = _units()
    reshard = os.environ.get("FSDP_RESHARD_AFTER_FORWARD", "true").lower()
    if reshard not in ("true", "false"):
        raise TrainingError(
            f"FSDP_RESHARD_AFTER_FORWARD is {reshard!r}; FSDP 2 knows true and false."
        )
    least = os.environ.get("FSDP_MIN_NUM_PARAMS", "0")
    if units == "size" and not least.isdecimal():
        raise TrainingError(f"FSDP_MIN_NUM_PARAMS is {least!r}; give a whole number.")
    return Sharding(units, classes, int(least) if units == "size" else 0, reshard == "true")


@contextlib.contextmanager
def accelerate_unsharded() -> Iterator[None]:
    """Let accelerate start the processes as for a network that is not sharded.

    Its own sharding works on GPUs only, on CPUs it is silently left out; here it is one for all.
    """
    asked = os.environ.pop(_USE_FSDP, None)
    try:
        yield
    finally:
        if asked is not None:
            os.environ[_USE_FSDP] = asked


def _units() -> tuple[Literal["blocks", "classes", "size", "none"], tuple[str, ...]]:
    policy = os.environ.get("FSDP_AUTO_WRAP_POLICY", "").upper()
    named = os.environ.get("FSDP_TRANSFORMER_CLS_TO_WRAP", "").split(",")
    classes = tuple(name.strip() for name in named if name.strip())
    if policy == "TRANSFORMER_BASED_WRAP":
        return ("classes", classes) if classes else ("blocks", ())
    if policy == "SIZE_BASED_WRAP":
        return "size", ()
    if policy == "NO_WRAP":
        return "none", ()
    if policy:
        raise TrainingError(
            f"FSDP_AUTO_WRAP_POLICY is {policy!r}. Use TRANSFORMER_BASED_WRAP, SIZE_BASED_WRAP or "
            "NO_WRAP, or leave it out for the network's repeated blocks."
        )
    return "blocks", ()


def _is_set(name: str) -> bool:
    return str_to_bool(os.environ.get(name) or "false", to_bool=True) is True
