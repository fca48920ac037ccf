"""The U-Net discriminator of Real-ESRGAN."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

# Not torch.nn.utils.parametrizations.spectral_norm, whose state dict has other keys than BasicSR's.
from torch.nn.utils import spectral_norm

from ..registry import DISCRIMINATOR_REGISTRY
from .layers import check_positive

SIZE_MULTIPLE = 8  # three convolutions of stride 2


@DISCRIMINATOR_REGISTRY.register()
class UNetDiscriminatorSN(nn.Module):
    """Real-ESRGAN's U-Net discriminator with spectral normalization (Wang et al., 2021).

    It judges every pixel: input (N, num_in_ch, H, W), output (N, 1, H, W) without a sigmoid; both
    sides are multiples of 8. State dicts are those of BasicSR, the buffers of the power iteration
    (``weight_u``, ``weight_v``) among them; each call in training mode does a step of it
    (arXiv 2107.10833, section 3.3; spectral normalization: arXiv 1802.05957).

    Args:
        num_in_ch: channels of the images.
        num_feat: channels of the first features; the deepest have eight times as many.
        skip_connection: add the encoder's features to the decoder's.

    Raises:
        OptionError: a value out of range.
    """

    def __init__(
        self, num_in_ch: int = 3, num_feat: int = 64, skip_connection: bool = True
    ) -> None:
        super().__init__()
        check_positive(num_in_ch=num_in_ch, num_feat=num_feat)
        self.skip_connection = skip_connection

        def halved(channels: int) -> nn.Module:
            return spectral_norm(nn.Conv2d(channels, 2 * channels, 4, 2, 1, bias=False))

        def same_size(channels: int, out: int) -> nn.Module:
            return spectral_norm(nn.Conv2d(channels, out, 3, 1, 1, bias=False))

        self.conv0 = nn.Conv2d(num_in_ch, num_feat, 3, 1, 1)
        self.conv1 = halved(num_feat)
        self.conv2 = halved(2 * num_feat)
        self.conv3 = halved(4 * num_feat)
        self.conv4 = same_size(8 * num_feat, 4 * num_feat)
        self.conv5 = same_size(4 * num_feat, 2 * num_feat)
        self.conv6 = same_size(2 * num_feat, num_feat)
        self.conv7 = same_size(num_feat, num_feat)
        self.conv8 = same_size(num_feat, num_feat)
        self.conv9 = nn.Conv2d(num_feat, 1, 3, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, num_in_ch, H, W) to (N, 1, H, W), logits: above 0 is real.

        Raises:
            ValueError: a side is no multiple of 8.
        """
        height, width = x.shape[-2:]
        if height % SIZE_MULTIPLE or width % SIZE_MULTIPLE:
            raise ValueError(
                f"needs sides that are multiples of {SIZE_MULTIPLE}, got {width}x{height}"
            )
        encoded = [_activated(self.conv0, x)]
        for convolution in (self.conv1, self.conv2, self.conv3):
            encoded.append(_activated(convolution, encoded[-1]))
        features = encoded.pop()
        for convolution in (self.conv4, self.conv5, self.conv6):
            larger = F.interpolate(features, scale_factor=2.0, mode="bilinear", align_corners=False)
            features, skipped = _activated(convolution, larger), encoded.pop()
            if self.skip_connection:
                features = features + skipped
        return self.conv9(_activated(self.conv8, _activated(self.conv7, features)))


def _activated(convolution: nn.Module, x: Tensor) -> Tensor:
    return F.leaky_relu(convolution(x), 0.2, inplace=True)
