"""The switches of torch, and of the memory under it, that a training sets: all of them."""

from __future__ import annotations

import ctypes
import os
import platform

import torch


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


_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h
_NEVER = 2**31 - 1


def keep_freed_memory() -> bool:
    """Let glibc keep what large tensors leave behind for the next ones.

    By itself it gives blocks above 32 MiB back to the system at once and asks for them again in the
    next step, page by page: a quarter of the time of a step of SRResNet with Adaptive Dropout.

    Returns:
        Whether there is a glibc to tell.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    return bool(mallopt(_M_MMAP_THRESHOLD, _NEVER) and mallopt(_M_TRIM_THRESHOLD, _NEVER))
