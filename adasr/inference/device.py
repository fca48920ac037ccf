"""Where a network runs and in which numbers."""

from __future__ import annotations

import torch

from ..errors import OptionError

PRECISIONS = ("auto", "bf16", "fp16", "fp32")
DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


def choose_device(name: str | torch.device = "auto") -> torch.device:
    """The device called ``name``; "auto" is a GPU where there is one.

    Raises:
        OptionError: there is no such device here.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        first = str(error).strip().partition("\n")[0]
        raise OptionError(
            f"cannot be used here: {name} ({first}).", ("device",), "Use auto or cpu."
        ) from None
    return device


def choose_precision(precision: str, device: torch.device) -> str:
    """``"auto"`` made ``"bf16"``, ``"fp16"`` or ``"fp32"``; other names are checked.

    bf16 where the device has the instructions (CPUs with AVX512-BF16 or AMX, CUDA from Ampere on),
    else fp16 on CUDA, else fp32.

    Raises:
        OptionError: unknown.
    """
    if precision not in PRECISIONS:
        raise OptionError(
            f"unknown precision {precision!r}.", ("precision",), "Use auto, bf16, fp16 or fp32."
        )
    if precision != "auto":
        return precision
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"
    if device.type == "cpu" and cpu_has_bf16():
        return "bf16"
    return "fp32"


def cpu_has_bf16() -> bool:
    """Whether the CPU multiplies bf16 matrices in hardware."""
    capabilities = getattr(torch.backends.cpu, "get_cpu_capability", str)()
    supported = (
        getattr(torch.cpu, "_is_avx512_bf16_supported", bool)(),
        getattr(torch.cpu, "_is_amx_tile_supported", bool)(),
    )
    return capabilities.startswith("AVX512") and any(supported)
