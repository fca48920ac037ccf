"""RRDBNet, the generator of ESRGAN and Real-ESRGAN."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from ..registry import ARCH_REGISTRY
from .layers import blocks, check_positive, check_upscale, scaled_kaiming_

# The body works at a quarter of the output's size: smaller scales fold the input's pixels into
# channels first, by this factor.
UNSHUFFLE = {1: 4, 2: 2, 4: 1}
RESIDUAL_SCALE = 0.2


def _act(x: torch.Tensor) -> torch.Tensor:
    return F.leaky_relu(x, 0.2)


def _lowered(x: torch.Tensor) -> torch.Tensor:
    """``x`` in the type that autocast computes in, cast once for all convolutions that see it."""
    device = x.device.type
    return x.to(torch.get_autocast_dtype(device)) if torch.is_autocast_enabled(device) else x


class ResidualDenseBlock(nn.Module):
    """Five convolutions, each on all features before it, added to the input with factor 0.2."""

    def __init__(self, num_feat: int, num_grow_ch: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(num_feat, num_grow_ch, 3, padding=1)
        self.conv2 = nn.Conv2d(num_feat + num_grow_ch, num_grow_ch, 3, padding=1)
        self.conv3 = nn.Conv2d(num_feat + 2 * num_grow_ch, num_grow_ch, 3, padding=1)
        self.conv4 = nn.Conv2d(num_feat + 3 * num_grow_ch, num_grow_ch, 3, padding=1)
        self.conv5 = nn.Conv2d(num_feat + 4 * num_grow_ch, num_feat, 3, padding=1)
        scaled_kaiming_([self.conv1, self.conv2, self.conv3, self.conv4, self.conv5], 0.1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) to the same shape."""
        features = _lowered(x)
        for convolution in (self.conv1, self.conv2, self.conv3, self.conv4):
            features = torch.cat((features, _act(convolution(features))), 1)
        return x.add(self.conv5(features), alpha=RESIDUAL_SCALE)


class RRDB(nn.Module):
    """Three dense blocks, added to the input with factor 0.2."""

    def __init__(self, num_feat: int, num_grow_ch: int) -> None:
        super().__init__()
        self.rdb1 = ResidualDenseBlock(num_feat, num_grow_ch)
        self.rdb2 = ResidualDenseBlock(num_feat, num_grow_ch)
        self.rdb3 = ResidualDenseBlock(num_feat, num_grow_ch)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) to the same shape."""
        return x.add(self.rdb3(self.rdb2(self.rdb1(x))), alpha=RESIDUAL_SCALE)


@ARCH_REGISTRY.register()
class RRDBNet(nn.Module):
    """Residual-in-residual dense network (ESRGAN, arXiv 1809.00219; x1, x2: Real-ESRGAN).

    State dicts are those of BasicSR's ``RRDBNet``. Input (N, num_in_ch, H, W), RGB in [0, 1], both
    sides multiples of ``size_multiple`` (4 for x1, 2 for x2, 1 for x4); output
    (N, num_out_ch, H * upscale, W * upscale), not clamped.

    Default sites are the outputs of each block's last dense block and the input of the last
    convolution. They lie inside the residual branches: on the trunk, the noise of one site would be
    multiplied by that of the next, 23 times over.

    Args:
        num_in_ch: channels of the input.
        num_out_ch: channels of the output.
        upscale: 1, 2 or 4.
        num_feat: channels of the features.
        num_block: number of RRDB blocks.
        num_grow_ch: channels that each convolution of a dense block adds.

    Raises:
        OptionError: a value out of range.
    """

    def __init__(
        self,
        num_in_ch: int = 3,
        num_out_ch: int = 3,
        upscale: int = 4,
        num_feat: int = 64,
        num_block: int = 23,
        num_grow_ch: int = 32,
    ) -> None:
        super().__init__()
        check_positive(num_in_ch=num_in_ch, num_out_ch=num_out_ch, num_feat=num_feat)
        check_positive(num_block=num_block, num_grow_ch=num_grow_ch)
        check_upscale(upscale, tuple(UNSHUFFLE))
        self.num_in_ch, self.upscale = num_in_ch, upscale
        self.size_multiple = UNSHUFFLE[upscale]
        self.default_sites = ("body.*.rdb3", "conv_last:input")
        self.enlarge_reach = 2  # four convolutions: 1/2 + 3/4 pixels of the features

        self.conv_first = nn.Conv2d(num_in_ch * self.size_multiple**2, num_feat, 3, padding=1)
        self.body = blocks(num_block, lambda: RRDB(num_feat, num_grow_ch))
        self.conv_body = nn.Conv2d(num_feat, num_feat, 3, padding=1)
        self.conv_up1 = nn.Conv2d(num_feat, num_feat, 3, padding=1)
        self.conv_up2 = nn.Conv2d(num_feat, num_feat, 3, padding=1)
        self.conv_hr = nn.Conv2d(num_feat, num_feat, 3, padding=1)
        self.conv_last = nn.Conv2d(num_feat, num_out_ch, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, num_in_ch, H, W) to (N, num_out_ch, H * upscale, W * upscale)."""
        return self.enlarge(self.features(x), x)

    def features(self, x: torch.Tensor) -> torch.Tensor:
        """The part at the small size: (N, num_in_ch, H, W) to (N, num_feat, h, w).

        h and w are H and W divided by ``size_multiple``.
        """
        shallow = self.conv_first(F.pixel_unshuffle(x, self.size_multiple))
        if not self.training and torch.is_autocast_enabled(x.device.type):
            # What 69 dense blocks add up is kept in fp32: 6 dB nearer to the result in fp32.
            shallow = shallow.float()
        return shallow + self.conv_body(self.body(shallow))

    def enlarge(self, features: torch.Tensor, _: torch.Tensor) -> torch.Tensor:
        """The part at the large size: what ``features`` made, to 4 h by 4 w."""
        features = _act(self.conv_up1(F.interpolate(features, scale_factor=2.0)))
        features = _act(self.conv_up2(F.interpolate(features, scale_factor=2.0)))
        return self.conv_last(_act(self.conv_hr(features)))
