"""The numbers a network is trained in, by what the device does well."""

from __future__ import annotations

import torch

from ..errors import OptionError
from ..inference.device import choose_precision


def resolve_precision(precision: str, device: torch.device) -> str:
    """``"auto"`` made ``"bf16"``, ``"fp16"`` or ``"fp32"``; other names are checked.

    Raises:
        OptionError: unknown, or not to be had on this device.
    """
    chosen = choose_precision(precision, device)
    if precision == "fp16" and device.type == "cpu":
        raise OptionError("fp16 training needs a GPU.", ("precision",), "Use auto, bf16 or fp32.")
    return chosen
