"""Faults that current packages bring out on any machine."""

from __future__ import annotations

import functools
import sys
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .tools import Repair, basicsr, replace, swapped

# filter2D views its padded input as another shape, which needs it to be contiguous.


def _filter_fails() -> bool:
    image = torch.zeros(2, 3, 8, 8).to(memory_format=torch.channels_last)
    try:
        basicsr("utils.img_process_util").filter2D(image, torch.zeros(1, 3, 3))
    except RuntimeError:
        return True
    return False


def _mend_filter() -> None:
    original = basicsr("utils.img_process_util").filter2D

    @functools.wraps(original)
    def filter2D(img: Tensor, kernel: Tensor) -> Tensor:
        return original(img.contiguous(), kernel.contiguous())

    replace(original, filter2D)


# tensor2img clamps a float32 tensor of the CPU in place, its caller's own.


def _changes_its_input() -> bool:
    image = torch.full((3, 2, 2), 2.0)
    basicsr("utils.img_util").tensor2img(image)
    return bool((image != 2.0).any())


def _mend_tensor2img() -> None:
    original = basicsr("utils.img_util").tensor2img

    @functools.wraps(original)
    def tensor2img(tensor: Tensor | list[Tensor], *args: Any, **kwargs: Any) -> Any:
        own = tensor.clone() if isinstance(tensor, Tensor) else [t.clone() for t in tensor]
        return original(own, *args, **kwargs)

    replace(original, tensor2img)


# OpenCV takes whole JPEG qualities only; the random one is none.


def _jpeg_fails() -> bool:
    import cv2

    try:
        basicsr("data.degradations").add_jpg_compression(np.zeros((8, 8, 3), np.float32), 90.5)
    except (cv2.error, TypeError):
        return True
    return False


def _mend_jpeg() -> None:
    original = basicsr("data.degradations").add_jpg_compression

    @functools.wraps(original)
    def add_jpg_compression(img: np.ndarray, quality: float = 90) -> np.ndarray:
        return original(img, int(quality))

    replace(original, add_jpg_compression)


# PyTorch's old launcher writes --local-rank since 2.0; BasicSR knows --local_rank.


def _has_local_rank() -> bool:
    return any(argument.startswith("--local-rank") for argument in sys.argv)


def _mend_local_rank() -> None:
    original = basicsr("utils.options").parse_options

    @functools.wraps(original)
    def parse_options(*args: Any, **kwargs: Any) -> Any:
        renamed = [a.replace("--local-rank", "--local_rank", 1) for a in sys.argv]
        with swapped(sys, "argv", renamed):
            return original(*args, **kwargs)

    replace(original, parse_options)


REPAIRS = (
    Repair("filter2D on channels_last images", _filter_fails, _mend_filter),
    Repair("tensor2img changes its input", _changes_its_input, _mend_tensor2img),
    Repair("JPEG of a quality that is no whole number", _jpeg_fails, _mend_jpeg),
    Repair("--local-rank", _has_local_rank, _mend_local_rank),
)
