"""Where a network guesses: the spread of its results under dropout.

Gal & Ghahramani, "Dropout as a Bayesian Approximation", ICML 2016, arXiv 1506.02142: with dropout
at work in inference too, each pass is a sample of the networks that the training allowed. Their
mean is the result, their standard deviation says how little the input determines it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
import yaml
from torch import Tensor, nn

from ..errors import OptionError
from ..options import read_regularizer
from ..registry import REGULARIZER_REGISTRY
from ..regularizers.adaptive_dropout import blend_scale
from ..regularizers.base import Regularizer, drop_probability, find_channel_axis
from ..regularizers.sites import Site, attach
from ..weights.build import input_channels
from ..weights.load import identify
from .upscaler import Upscaler

_PROBE_SIDE = 32
_FULL_SCALE = {np.dtype(np.uint8): 255.0, np.dtype(np.uint16): 65535.0}


@dataclass(frozen=True)
class DropoutSettings:
    """The dropout that makes passes differ.

    Attributes:
        p: drop probability of a channel.
        weight: share of the feature before dropout: of Adaptive Dropout the one that the training
            began with, since annealing ends at 1, where nothing is dropped.
        sites: where; names and patterns as in ``attach``.
    """

    p: float
    weight: float = 0.0
    sites: str | Sequence[str] = "default"


class FixedDropout(Regularizer):
    """Channel dropout with one mask until the next ``draw``, in evaluation too.

    All tiles of an image, and all images of a batch, meet the same mask: there are no seams.

    Args:
        settings: probability and weight.
        channels: of the feature.
    """

    scale: Tensor

    def __init__(self, settings: DropoutSettings, channels: int = 1) -> None:
        super().__init__()
        self.p, self.share = drop_probability(settings.p), settings.weight
        self.register_buffer("scale", torch.ones(channels), persistent=False)

    def for_site(self, channels: int | None) -> Self:
        """A copy with room for the factors of ``channels`` channels."""
        copied = super().for_site(channels)
        if channels is not None:
            copied.scale = torch.ones(channels)
        return copied

    def draw(self, generator: torch.Generator | None) -> None:
        """Another mask; without a generator none: every channel passes."""
        if generator is None:
            self.scale.fill_(1.0)
            return
        keep = torch.empty(self.scale.shape).bernoulli_(1.0 - self.p, generator=generator)
        self.scale.copy_(blend_scale(keep, self.p, self.share))

    def forward(self, x: Tensor) -> Tensor:
        """The feature, each channel times its factor."""
        axis = find_channel_axis(x)
        shape = [-1 if d == axis else 1 for d in range(x.dim())]
        return x * self.scale.view(shape).to(x.dtype)


def load_with_dropout(weights: str | Path, p: float | None = None) -> tuple[nn.Module, list[Site]]:
    """A network with the dropout of its training, made to work in inference.

    Args:
        weights: a file; those that adasr wrote say how they were trained.
        p: another drop probability; needed where the file does not say, then channels are dropped
            at all the sites that the network names.

    Raises:
        WeightsError: the file cannot be used.
        OptionError: the network was trained without dropout, or names no sites.
    """
    loaded = identify(weights)
    settings = trained_dropout(loaded.metadata)
    if p is not None:
        settings = replace(settings, p=p) if settings is not None else DropoutSettings(p)
    if settings is None:
        hint = "Give one, e.g. --dropout 0.05; the smaller, the closer to the plain network."
        raise OptionError(f"{weights} was not trained with dropout.", ("--uncertainty",), hint)
    return loaded.net, add_dropout(loaded.net, settings)


def trained_dropout(metadata: dict[str, str]) -> DropoutSettings | None:
    """The dropout in the training options that a weights file holds, if there was any.

    Element dropout becomes channel dropout, and a weight that a gate predicted becomes the option's
    (0.3 by default): gates are not part of weights for inference.
    """
    try:
        section = (yaml.safe_load(metadata.get("options", "")) or {}).get("regularizer")
        options = read_regularizer(section) if section else None
    except (yaml.YAMLError, AttributeError, OptionError):  # of another version, or not ours
        return None
    if options is None:
        return None
    kind: Any = REGULARIZER_REGISTRY.get(options.type)
    prototype = REGULARIZER_REGISTRY.build(options.options)
    p = getattr(prototype, "p", 0.0)
    if not p:
        return None
    weight = getattr(prototype, "_weight", 0.0)  # ``weight`` of a gate is its last prediction
    return DropoutSettings(p, weight, options.sites or kind.default_sites)


def add_dropout(net: nn.Module, settings: DropoutSettings) -> list[Site]:
    """Put ``FixedDropout`` on ``net``, in place; nothing is dropped until ``draw``.

    Raises:
        OptionError: the network names no sites, or carries a regularizer already.
    """
    multiple = int(getattr(net, "size_multiple", 1))
    least = max(_PROBE_SIDE, int(getattr(net, "size_minimum", 1)))
    side = math.ceil(least / multiple) * multiple
    parameter = next(net.parameters(), torch.zeros(()))
    example = torch.zeros(1, input_channels(net), side, side).to(parameter)
    return attach(net, FixedDropout(settings), settings.sites, example)


class UncertaintyUpscaler:
    """An upscaler whose network carries dropout, as a function to image and uncertainty.

    Args:
        upscaler: of a network with ``sites``.
        sites: from ``add_dropout``.
        passes: how many results the statistics are of, at least 2.
        seed: of the masks; the same seed gives the same result.
    """

    def __init__(
        self, upscaler: Upscaler, sites: Sequence[Site], passes: int = 16, seed: int = 0
    ) -> None:
        if passes < 2:
            raise OptionError(f"must be at least 2, got {passes}.", ("passes",))
        self.upscaler, self.passes, self.seed = upscaler, passes, seed
        self.device = upscaler.device
        self._dropouts = [
            site.regularizer for site in sites if isinstance(site.regularizer, FixedDropout)
        ]

    @property
    def upscale(self) -> float:
        """How many times larger results are."""
        return self.upscaler.upscale

    def __call__(
        self, image: np.ndarray, on_tile: Callable[[int, int], None] | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """The mean of the passes and their standard deviation.

        Args:
            image: (H, W) or (H, W, C), uint8, uint16 or float in [0, 1].
            on_tile: called after each tile with how many are done and how many there are.

        Returns:
            The image enlarged, of the same kind; (H, W) float32, the deviation as a share of the
            full range, averaged over the colours.
        """
        full = _FULL_SCALE.get(image.dtype)
        values = image.astype(np.float32) / full if full else image
        mean = squares = np.zeros(())
        try:
            for number in range(self.passes):
                generator = torch.Generator().manual_seed(self.seed * 1_000_003 + number)
                for dropout in self._dropouts:
                    dropout.draw(generator)
                sample = self.upscaler(values, _of_pass(on_tile, number, self.passes))
                difference = sample - mean  # Welford's running mean and sum of squares
                mean = mean + difference / np.float32(number + 1)
                squares = squares + difference * (sample - mean)
        finally:
            for dropout in self._dropouts:
                dropout.draw(None)
        result = (mean * full).round().astype(image.dtype) if full else mean.astype(image.dtype)
        variance = squares / np.float32(self.passes - 1)
        if variance.ndim == 3:
            colours = variance.shape[2] - (variance.shape[2] in (2, 4))  # alpha is not guessed
            variance = variance[..., :colours].mean(axis=2)
        return result, np.sqrt(variance, dtype=np.float32)


def _of_pass(
    on_tile: Callable[[int, int], None] | None, number: int, passes: int
) -> Callable[[int, int], None] | None:
    if on_tile is None:
        return None
    return lambda done, total: on_tile(number * total + done, passes * total)
