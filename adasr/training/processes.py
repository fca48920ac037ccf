"""Several processes of one training."""

from __future__ import annotations

import os
import re

import torch

from ..errors import TrainingError

_LOST = re.compile(r"gloo|NCCL|Connection (reset|closed)|broken pipe", re.IGNORECASE)


def lost_process(error: BaseException) -> bool:
    """Whether ``error`` is how this process hears that another one of its training is gone."""
    distributed = torch.distributed
    if not (distributed.is_available() and distributed.is_initialized()):
        return False
    if distributed.get_world_size() == 1 or not isinstance(error, RuntimeError):
        return False
    return isinstance(error, distributed.DistError) or bool(_LOST.search(str(error)))


def check_launch() -> None:
    """Refuse ways of sharing a network that this training does not know.

    Raises:
        TrainingError: launched with FSDP, DeepSpeed or Megatron-LM.
    """
    for name in ("FSDP", "DEEPSPEED", "MEGATRON_LM"):
        if os.environ.get(f"ACCELERATE_USE_{name}", "false").lower() in ("true", "1"):
            raise TrainingError(
                f"launched with {name}, which splits the network's parameters; averaged weights "
                "and checkpoints here need them whole in every process. Launch with torchrun or "
                "with accelerate launch --multi_gpu."
            )
