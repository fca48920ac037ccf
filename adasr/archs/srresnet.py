"""SRResNet without batch normalization, the backbone of the Adaptive Dropout paper."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from ..errors import OptionError
from ..registry import ARCH_REGISTRY
from .layers import blocks, check_positive, check_upscale, scaled_kaiming_

UPSCALES = (1, 2, 3, 4, 8)


class ResidualBlock(nn.Module):
    """``x + conv2(relu(conv1(x)))`` on (N, num_feat, H, W)."""

    def __init__(self, num_feat: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(num_feat, num_feat, 3, padding=1)
        self.conv2 = nn.Conv2d(num_feat, num_feat, 3, padding=1)
        scaled_kaiming_([self.conv1, self.conv2], 0.1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) to the same shape."""
        # Not in place: conv1's output is a site, and who looks at it must see it before the ReLU.
        return x + self.conv2(F.relu(self.conv1(x)))


@ARCH_REGISTRY.register()
class SRResNet(nn.Module):
    """SRResNet (Ledig et al., CVPR 2017) without batch normalization, known as MSRResNet.

    The network adds its output to the bilinearly enlarged input. State dicts are those of
    BasicSR's ``MSRResNet``. Input (N, num_in_ch, H, W), RGB in [0, 1]; output
    (N, num_out_ch, H * upscale, W * upscale), not clamped.

    Default sites are those of Adaptive Dropout (arXiv 2506.12738): the output of each block's
    first convolution, before its ReLU, and the input of the last convolution.

    Args:
        num_in_ch: channels of the input.
        num_out_ch: channels of the output; as many as the input's, which is added to it.
        num_feat: channels of the features.
        num_block: number of residual blocks.
        upscale: 1, 2, 3, 4 or 8.

    Raises:
        OptionError: a value out of range.
    """

    size_multiple = 1
    enlarge_reach = 2  # at most: the last two convolutions at x1, 1 + 1/2 + 2/4 pixels at x4

    def __init__(
        self,
        num_in_ch: int = 3,
        num_out_ch: int = 3,
        num_feat: int = 64,
        num_block: int = 16,
        upscale: int = 4,
    ) -> None:
        super().__init__()
        check_positive(num_in_ch=num_in_ch, num_feat=num_feat, num_block=num_block)
        check_upscale(upscale, UPSCALES)
        if num_out_ch != num_in_ch:
            raise OptionError(
                f"must equal num_in_ch ({num_in_ch}), got {num_out_ch}.",
                ("num_out_ch",),
                "The enlarged input is added to the output.",
            )
        self.num_in_ch, self.upscale = num_in_ch, upscale
        self.default_sites = ("body.*.conv1", "conv_last:input")

        self.conv_first = nn.Conv2d(num_in_ch, num_feat, 3, padding=1)
        self.body = blocks(num_block, lambda: ResidualBlock(num_feat))
        # x3 is one step of three; all others are steps of two.
        self._factors = (3,) if upscale == 3 else (2,) * (upscale.bit_length() - 1)
        for number, factor in enumerate(self._factors, 1):
            upconv = nn.Conv2d(num_feat, num_feat * factor**2, 3, padding=1)
            scaled_kaiming_([upconv], 0.1)
            self.add_module(f"upconv{number}", upconv)
        self.conv_hr = nn.Conv2d(num_feat, num_feat, 3, padding=1)
        self.conv_last = nn.Conv2d(num_feat, num_out_ch, 3, padding=1)
        scaled_kaiming_([self.conv_first, self.conv_hr, self.conv_last], 0.1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, num_in_ch, H, W) to (N, num_out_ch, H * upscale, W * upscale)."""
        return self.enlarge(self.features(x), x)

    def features(self, x: torch.Tensor) -> torch.Tensor:
        """The part at the input's size: (N, num_in_ch, H, W) to (N, num_feat, H, W)."""
        return self.body(F.leaky_relu(self.conv_first(x), 0.1))

    def enlarge(self, features: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """The part at the large size: ``features(x)`` and ``x`` to the output."""
        for number, factor in enumerate(self._factors, 1):
            larger = F.pixel_shuffle(getattr(self, f"upconv{number}")(features), factor)
            features = F.leaky_relu(larger, 0.1, inplace=True)
        # In training somebody may hold what conv_hr made (a tap, a regularizer of a user's).
        features = F.leaky_relu(self.conv_hr(features), 0.1, inplace=not self.training)
        residual = self.conv_last(features)
        if self.upscale == 1:
            return residual + x
        return residual + F.interpolate(
            x, scale_factor=float(self.upscale), mode="bilinear", align_corners=False
        )
