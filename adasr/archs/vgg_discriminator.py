"""The discriminator of SRGAN and ESRGAN."""

from __future__ import annotations

import itertools
from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

from ..registry import DISCRIMINATOR_REGISTRY
from .layers import check_positive

_HIDDEN = 100  # of the classifier


@DISCRIMINATOR_REGISTRY.register()
class VGGStyleDiscriminator(nn.Module):
    """The VGG-style discriminator of SRGAN and ESRGAN (arXiv 1609.04802, 1809.00219).

    It judges whole crops of one size: input (N, num_in_ch, input_size, input_size), output (N, 1)
    without a sigmoid. State dicts are those of BasicSR. Batch normalization compares the crops of
    a batch, so real and generated ones come in batches of their own.

    Args:
        num_in_ch: channels of the images.
        num_feat: channels of the first features; the deepest have eight times as many.
        input_size: side of the crops in pixels, 128 or 256.

    Raises:
        OptionError: a value out of range.
    """

    def __init__(
        self, num_in_ch: int = 3, num_feat: int = 64, input_size: Literal[128, 256] = 128
    ) -> None:
        super().__init__()
        check_positive(num_in_ch=num_in_ch, num_feat=num_feat)
        self.input_size = input_size
        # Each stage halves the side, down to 4 pixels.
        self._stages = 5 if input_size == 128 else 6
        widths = [num_in_ch, *(num_feat * min(2**i, 8) for i in range(self._stages))]
        for i, (before, width) in enumerate(itertools.pairwise(widths)):
            first = i == 0  # the only one with a bias and without normalization
            self.add_module(f"conv{i}_0", nn.Conv2d(before, width, 3, 1, 1, bias=first))
            if not first:
                self.add_module(f"bn{i}_0", nn.BatchNorm2d(width))
            self.add_module(f"conv{i}_1", nn.Conv2d(width, width, 4, 2, 1, bias=False))
            self.add_module(f"bn{i}_1", nn.BatchNorm2d(width))
        self.linear1 = nn.Linear(widths[-1] * 4 * 4, _HIDDEN)
        self.linear2 = nn.Linear(_HIDDEN, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, num_in_ch, input_size, input_size) to (N, 1), logits: above 0 is real.

        Raises:
            ValueError: images of another size.
        """
        height, width = x.shape[-2:]
        if not height == width == self.input_size:
            raise ValueError(
                f"needs images of {self.input_size}x{self.input_size} pixels (input_size), "
                f"got {width}x{height}"
            )
        for i in range(self._stages):
            for layer in (f"{i}_0", f"{i}_1"):
                x = getattr(self, f"conv{layer}")(x)
                if layer != "0_0":
                    x = getattr(self, f"bn{layer}")(x)
                x = F.leaky_relu(x, 0.2, inplace=True)
        hidden = F.leaky_relu(self.linear1(x.flatten(1)), 0.2, inplace=True)
        return self.linear2(hidden)
