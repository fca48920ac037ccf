"""Networks of BasicSR that carry a regularizer, and their annealing."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from ...archs.known_sites import default_sites
from ...errors import OptionError
from ...options import read_regularizer
from ...registry import REGULARIZER_REGISTRY, SCHEDULE_REGISTRY
from ...regularizers.base import Regularizer
from ...regularizers.schedules import LayerwiseAnnealing
from ...regularizers.sites import Site, attach
from ...weights.build import input_channels

_ATTRIBUTE = "adasr_annealing"
_PROBE_SIDE = 32  # a multiple of every usual window and unshuffle factor


class Annealing:
    """The sites of one network and when they act.

    Args:
        net: the network; a warning tells when it is trained and nobody calls ``step``.
        sites: what ``attach`` returned.
        schedule: ``{type: LayerwiseAnnealing, ...}``, or None for weights that stay.
    """

    def __init__(
        self, net: nn.Module, sites: list[Site], schedule: Mapping[str, Any] | None
    ) -> None:
        self.sites, self.options = sites, schedule
        self._schedule: LayerwiseAnnealing | None = None
        if schedule is not None:
            self._watch = net.register_forward_pre_hook(self._not_annealed)

    def step(self, iteration: int, total_iter: int) -> None:
        """Set the sites' weights for ``iteration`` (1-based) of ``total_iter``."""
        if self.options is None:
            return
        if self._schedule is None:
            self._watch.remove()
            self._schedule = SCHEDULE_REGISTRY.build(
                self.options, sites=self.sites, total_iter=total_iter
            )
        assert self._schedule is not None
        self._schedule.step(iteration)

    def _not_annealed(self, net: nn.Module, args: tuple[Any, ...]) -> None:
        if net.training:
            self._watch.remove()
            warnings.warn(
                f"{type(net).__name__} is trained, but its regularizer's schedule is not: the "
                "weights stay as they are. BasicSR's models anneal the networks they hold as "
                "attributes in update_learning_rate; use model_type AdaSRModel, or let your model "
                "call that of BaseModel.",
                stacklevel=2,
            )


def regularize(net: nn.Module, options: Mapping[str, Any]) -> nn.Module:
    """``net`` itself with a regularizer attached; its state dict keeps its keys.

    Args:
        net: any network.
        options: ``{type, sites, schedule, ...}`` as under ``regularizer:`` in an option YAML of
            adasr. Default sites: the network's own, those known for its class, else the input of
            its last convolution.

    Raises:
        OptionError: an unknown or wrong option, or a site that does not exist.
    """
    try:
        wanted = read_regularizer(options)
        if not getattr(net, "default_sites", None):
            vars(net)["default_sites"] = default_sites(net)
        sites = _attach(net, REGULARIZER_REGISTRY.build(wanted.options), wanted.sites)
        schedule = None if wanted.schedule is None else wanted.schedule.options
        if schedule is not None:  # tried now, that a wrong option is told before the training
            _try_schedule(schedule, sites)
    except OptionError as error:
        raise error.under("regularizer") from None
    vars(net)[_ATTRIBUTE] = Annealing(net, sites, schedule)
    return net


def _try_schedule(schedule: Mapping[str, Any], sites: list[Site]) -> None:
    try:
        SCHEDULE_REGISTRY.build(schedule, sites=sites, total_iter=len(sites))
    except OptionError as error:
        raise error.under("schedule") from None


def _attach(net: nn.Module, prototype: Regularizer, sites: Any) -> list[Site]:
    """Sites ordered by a forward pass where the network takes an image, else as defined."""
    example = torch.zeros(1, input_channels(net), _PROBE_SIDE, _PROBE_SIDE)
    try:
        return attach(net, prototype, sites, example)
    except OptionError:
        raise
    except Exception:  # a network for video or faces: whatever it makes of a small image
        return attach(net, prototype, sites)


def annealing_of(net: nn.Module) -> Annealing | None:
    """What drives the sites of ``net``; None without a regularizer."""
    return vars(net).get(_ATTRIBUTE)
