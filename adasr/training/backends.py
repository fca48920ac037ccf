"""The switches of torch, and of the memory under it, that a training sets: all of them."""

from __future__ import annotations

import os

import torch

from ..memory import keep_freed_memory


def set_backends(device: torch.device, deterministic: bool) -> None:
    """Make torch fast for batches of one size, or reproducible on a GPU.

    A training on a CPU is reproducible either way.

    Args:
        device: what is trained on.
        deterministic: only algorithms that give the same bits each time, as far as torch has them
            (it warns of others); slower.
    """
    if device.type == "cpu":
        keep_freed_memory()
        return
    torch.use_deterministic_algorithms(deterministic, warn_only=True)
    if deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    # cuDNN tries its algorithms at the first batch of a size and keeps the fastest.
    torch.backends.cudnn.benchmark = not deterministic
    torch.backends.cudnn.deterministic = deterministic
    # fp32 convolutions may round their factors to TF32 (10 bits). Matrix products may not: the
    # degradations, which run at the same time, would have to switch it off and on again.
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.allow_tf32 = not deterministic
