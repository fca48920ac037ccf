"""What every regularizer is: a module from feature to feature that is idle in evaluation."""

from __future__ import annotations

import copy
from typing import ClassVar, Self

import torch
from torch import Tensor, nn

from ..errors import OptionError


class Regularizer(nn.Module):
    """Base of the regularizers. ``attach`` places one independent copy at every site.

    ``default_sites`` says where it goes when nobody says: ``"default"`` for all sites the network
    names, ``"last"`` for the last of them, the input of the last convolution.
    """

    default_sites: ClassVar[str] = "default"

    def for_site(self, channels: int | None) -> Self:
        """An independent copy for a site with ``channels`` channels (None: not known)."""
        return copy.deepcopy(self)

    @property
    def weight(self) -> float:
        """Share of the feature before dropout; 0 for regularizers that do not blend."""
        return 0.0


def drop_probability(p: float) -> float:
    """``p`` itself.

    Raises:
        OptionError: ``p`` is outside [0, 1).
    """
    if not 0.0 <= p < 1.0:
        raise OptionError(f"the drop probability must lie in [0, 1), got {p}.", ("p",))
    return float(p)


def find_channel_axis(x: Tensor, channel_axis: int | None = None) -> int:
    """The axis of the channels: ``channel_axis`` if given, 1 for (N, C, H, W), 2 for (N, L, C).

    Raises:
        OptionError: ``x`` has another number of dimensions and ``channel_axis`` is not given.
    """
    if channel_axis is not None:
        if not -x.dim() < channel_axis < x.dim() or channel_axis == 0:
            raise OptionError(
                f"a feature of shape {tuple(x.shape)} has no axis {channel_axis} for channels.",
                ("channel_axis",),
                "Axis 0 holds the samples; 1 or -1 are usual.",
            )
        return channel_axis % x.dim()
    if x.dim() not in (3, 4):
        raise OptionError(
            f"a feature of shape {tuple(x.shape)} is neither (N, C, H, W) nor (N, L, C).",
            ("channel_axis",),
            "Say which axis holds the channels.",
        )
    return 1 if x.dim() == 4 else 2


def channel_shape(x: Tensor, channel_axis: int | None = None) -> tuple[int, ...]:
    """Shape of one value per sample and channel that broadcasts over ``x``, e.g. (N, C, 1, 1)."""
    axis = find_channel_axis(x, channel_axis)
    return tuple(size if d in (0, axis) else 1 for d, size in enumerate(x.shape))


def keep_mask(shape: tuple[int, ...], p: float, like: Tensor) -> Tensor:
    """Float32 mask, 1 with probability 1 - p and 0 with p, from the global generator."""
    return torch.empty(shape, dtype=torch.float32, device=like.device).bernoulli_(1.0 - p)
