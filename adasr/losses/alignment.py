"""Feature alignment (Wang et al., CVPR 2024, arXiv 2402.18929), the loss of ``train.align_opt``."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Tensor, nn

from ..errors import OptionError
from ..registry import LOSS_REGISTRY
from .pixel import check_loss_weight


@LOSS_REGISTRY.register()
class FeatureAlignment(nn.Module):
    """Distance between the features of two degradations of the same images (Wang et al., 2024).

    For ``train.align_opt``: every image of a batch is degraded twice, and the network's pooled
    features of the two, and random Fourier features of those, are drawn together. Both terms are
    sums over the images of a batch, as published, so their weight grows with its size.

    Args:
        loss_weight: factor of both terms, 0 or more.
        fourier: add the non-linear term, on random Fourier features.
        site: which feature: "last", the input of the last convolution, or a site such as
            "body.3.conv2" or "conv_hr:input".
    """

    takes_features: ClassVar[bool] = True
    """Not (SR, GT): tells the options where such a loss may stand."""

    def __init__(self, loss_weight: float = 1.0, fourier: bool = True, site: str = "last") -> None:
        super().__init__()
        check_loss_weight(loss_weight)
        if not site.strip():
            raise OptionError("names no site.", ("site",), "Write last for the last feature.")
        self.loss_weight, self.fourier, self.site = loss_weight, fourier, site

    def forward(self, features: Tensor) -> dict[str, Tensor]:
        """The weighted terms by name, scalars: ``linear`` and, unless left out, ``fourier``.

        The Fourier features are drawn from torch's global generator of the features' device.

        Args:
            features: (2 N, C, H, W); the first N of one degradation, the others of the other, in
                the same order.

        Raises:
            ValueError: not (2 N, C, H, W).
        """
        terms = {"linear": self.loss_weight * linear_alignment(features)}
        if self.fourier:
            n, channels = features.shape[0] // 2, features.shape[1]
            frequency = torch.randn(n, 1, device=features.device, dtype=features.dtype)
            phase = torch.rand(n, channels, device=features.device, dtype=features.dtype)
            aligned = fourier_alignment(features, frequency, 2 * math.pi * phase)
            terms["fourier"] = self.loss_weight * aligned
        return terms


def linear_alignment(features: Tensor) -> Tensor:
    r"""How far the pooled features of two degradations of the same images lie apart.

    Features are averaged over space and centred over the images of each degradation. With
    :math:`u_i, v_i` of C channels for image i under the two degradations:

    .. math:: \sum_i \frac{1}{C} \lVert u_i - v_i \rVert^2
              + \frac{1}{C^2} \lVert u_i u_i^T - v_i v_i^T \rVert_F^2

    Args:
        features: (2 N, C, H, W); the first N of one degradation, the others of the other, in the
            same order.

    Returns:
        A scalar; 0 where the two agree.

    Raises:
        ValueError: not (2 N, C, H, W).
    """
    return _distance(*_centred(features))


def fourier_alignment(features: Tensor, frequency: Tensor, phase: Tensor) -> Tensor:
    r"""``linear_alignment`` of random Fourier features of the pooled, centred features.

    A feature x of C channels becomes :math:`m = \omega x + b`, which is shifted and scaled over
    its channels to :math:`[0, \pi / 2]`, and then :math:`\sqrt{2} (\cos m + \sin m)`.

    Args:
        features: (2 N, C, H, W), as for ``linear_alignment``.
        frequency: (N, 1), :math:`\omega` of each image, the same under both degradations.
        phase: (N, C), :math:`b` of each image.

    Returns:
        A scalar; 0 where the two agree.

    Raises:
        ValueError: not (2 N, C, H, W).
    """
    u, v = _centred(features)
    return _distance(_fourier(frequency * u + phase), _fourier(frequency * v + phase))


def _centred(features: Tensor) -> tuple[Tensor, Tensor]:
    """(N, C) of each degradation: averaged over space, centred over the images."""
    if features.dim() != 4 or features.shape[0] % 2:
        raise ValueError(f"expected features (2 N, C, H, W), got {tuple(features.shape)}")
    first, second = features.mean(dim=(2, 3)).chunk(2)
    return first - first.mean(0), second - second.mean(0)


def _fourier(m: Tensor) -> Tensor:
    low, high = m.aminmax(dim=1, keepdim=True)
    span = high - low
    # A division by 0, or by a tiny number in its place, would make the gradient NaN.
    angle = (m - low) * (math.pi / 2) / torch.where(span > 0, span, 1.0)
    return math.sqrt(2) * (angle.cos() + angle.sin())


def _distance(u: Tensor, v: Tensor) -> Tensor:
    channels = u.shape[1]
    # |u u' - v v'|^2 = (u.u)^2 + (v.v)^2 - 2 (u.v)^2 would lose all digits near 0.
    outer = u[:, :, None] * u[:, None, :] - v[:, :, None] * v[:, None, :]
    per_image = (u - v).square().sum(1) / channels + outer.square().sum((1, 2)) / channels**2
    return per_image.sum()
