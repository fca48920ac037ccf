"""Where BasicSR's own models meet regularizers: four of its functions, each with a line more.

* ``build_network`` takes ``regularizer: {...}`` among the options of any arch;
* ``BaseModel`` takes it at the top of the option file too, for ``network_g``;
* ``update_learning_rate``, which BasicSR's loop calls with the iteration before each step, sets the
  sites' weights; they are a pure function of it, so a resumed run has the right ones;
* the log tells the share of sites that are annealed.
"""

from __future__ import annotations

import functools
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from typing import Any

from basicsr import archs
from basicsr.models.base_model import BaseModel
from basicsr.utils import get_root_logger
from torch import nn

from ...errors import OptionError
from .archs import remember_arch
from .regularized import Annealing, annealing_of, regularize
from .repairs.tools import replace

_TRAINING_OF_ADASR = ("align_opt", "precision", "accumulate", "grad_clip", "compile")
_done = False


def hook() -> None:
    """Put the hooks in; once is enough, again does nothing."""
    global _done
    if not _done:
        _done = True
        _hook_build_network()
        _hook_init()
        _hook_update_learning_rate()
        _hook_get_current_log()


def anneal(model: Any, iteration: int) -> None:
    """Set the sites' weights of every network of ``model`` for ``iteration`` (1-based)."""
    for annealing in _annealings(model):
        annealing.step(iteration, int(model.opt["train"]["total_iter"]))


def _annealings(model: Any) -> Iterator[Annealing]:
    for value in list(vars(model).values()):
        if isinstance(value, nn.Module):
            annealing = annealing_of(model.get_bare_model(value))
            if annealing is not None:
                yield annealing


def _hook_build_network() -> None:
    original = archs.build_network

    @functools.wraps(original)
    def build_network(opt: Mapping[str, Any]) -> nn.Module:
        if opt.get("type") == "Regularized":  # it builds its network itself
            return original(opt)
        arch = {key: value for key, value in opt.items() if key != "regularizer"}
        net = original(arch)
        remember_arch(net, arch)
        wanted = opt.get("regularizer")
        return net if wanted is None else regularize(net, wanted)

    replace(original, build_network)


def _hook_init() -> None:
    original = BaseModel.__init__

    @functools.wraps(original)
    def init(self: Any, opt: dict[str, Any]) -> None:
        regularizer = opt.get("regularizer")
        if regularizer is not None and "network_g" in opt:
            if "regularizer" in opt["network_g"]:
                raise OptionError(
                    "is given twice, here and under network_g.",
                    ("regularizer",),
                    "Remove one of them.",
                )
            opt["network_g"] = {**opt["network_g"], "regularizer": regularizer}
        for key in _without_effect(self, opt):
            get_root_logger().warning(f"{key} is an option of adasr; BasicSR passes it by.")
        original(self, opt)

    BaseModel.__init__ = init


def _without_effect(model: Any, opt: Mapping[str, Any]) -> list[str]:
    """Options that adasr's own training has and BasicSR's has not."""
    train = opt.get("train") or {}
    found = [f"train.{key}" for key in _TRAINING_OF_ADASR if key in train]
    degrades = type(model).__name__ == "AdaRealESRNetModel"
    return found if degrades or "degradation" not in opt else ["degradation", *found]


def _hook_update_learning_rate() -> None:
    original = BaseModel.update_learning_rate

    @functools.wraps(original)
    def update_learning_rate(self: Any, current_iter: int, *args: Any, **kwargs: Any) -> None:
        original(self, current_iter, *args, **kwargs)
        anneal(self, current_iter)

    BaseModel.update_learning_rate = update_learning_rate


def _hook_get_current_log() -> None:
    original = BaseModel.get_current_log

    @functools.wraps(original)
    def get_current_log(self: Any) -> Mapping[str, float]:
        log = original(self)
        annealing = next(_annealings(self), None)
        if annealing is None or not annealing.sites:
            return log
        done = sum(site.weight == 1.0 for site in annealing.sites)
        return OrderedDict(log, annealed=done / len(annealing.sites))

    BaseModel.get_current_log = get_current_log
