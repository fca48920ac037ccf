"""The numbers a network is trained in, by what the device does well."""

from __future__ import annotations

import torch

from ..errors import OptionError


def resolve_precision(precision: str, device: torch.device) -> str:
    """``"auto"`` made ``"bf16"``, ``"fp16"`` or ``"fp32"``; other names are checked.

    bf16 where the device has the instructions (CPUs with AVX512-BF16 or AMX, CUDA from Ampere on),
    else fp16 on CUDA, else fp32.

    Raises:
        OptionError: unknown, or not to be had on this device.
    """
    if precision not in ("auto", "bf16", "fp16", "fp32"):
        raise OptionError(
            f"unknown precision {precision!r}.", ("precision",), "Use auto, bf16, fp16 or fp32."
        )
    if precision == "fp16" and device.type == "cpu":
        raise OptionError("fp16 training needs a GPU.", ("precision",), "Use auto, bf16 or fp32.")
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
