"""The switches of torch that a training sets, all of them."""

from __future__ import annotations

import os

import torch


def set_backends(device: torch.device, deterministic: bool) -> None:
    """Make torch fast for batches of one size, or reproducible on a GPU.

    A training on a CPU is reproducible either way, and nothing is set for it.

    Args:
        device: what is trained on.
        deterministic: only algorithms that give the same bits each time; slower.
    """
    if device.type == "cpu":
        return
    torch.use_deterministic_algorithms(deterministic, warn_only=True)
    if deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    # cuDNN tries its algorithms at the first batch of a size and keeps the fastest.
    torch.backends.cudnn.benchmark = not deterministic
    torch.backends.cudnn.deterministic = deterministic
    # fp32 products of matrices and convolutions may round their factors to TF32 (10 bits).
    torch.set_float32_matmul_precision("highest" if deterministic else "high")
    torch.backends.cudnn.allow_tf32 = not deterministic
