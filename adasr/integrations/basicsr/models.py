"""Models for BasicSR's registry."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from basicsr.models.sr_model import SRModel
from basicsr.utils import get_root_logger
from basicsr.utils.dist_util import master_only
from torch import Tensor, nn

from ...errors import OptionError
from ...registry import DEGRADATION_REGISTRY
from ...training.trainer import generator
from ...weights import load_into, save_network
from .archs import remember_arch
from .regularized import annealing_of


class AdaSRModel(SRModel):
    """BasicSR's ``SRModel`` with a regularizer, for paired data.

    It trains, validates, saves and resumes as ``SRModel`` does. Beside that it

    * takes ``regularizer: {type: AdaptiveDropout, ...}`` at the top of the option file, for any
      ``network_g``;
    * writes ``net_g_ITER.safetensors`` beside BasicSR's ``.pth``: the EMA weights where there are
      any, with the arch in the metadata, for ``adasr infer``;
    * starts from weights of any layout that adasr reads, and says clearly what does not fit;
    * logs how many sites are annealed.
    """

    def __init__(self, opt: dict[str, Any]) -> None:
        regularizer = opt.get("regularizer")
        if regularizer is not None:
            opt["network_g"] = _with_regularizer(opt["network_g"], regularizer)
        super().__init__(opt)
        for net in self._networks():
            remember_arch(net, opt["network_g"])

    def load_network(
        self, net: nn.Module, load_path: str, strict: bool = True, param_key: Any = "params"
    ) -> None:
        """Load weights: BasicSR's own files as it does, all others as adasr does.

        Raises:
            WeightsError: they are of another network, or cannot be read.
        """
        if Path(load_path).suffix == ".pth":
            try:
                return super().load_network(net, load_path, strict, param_key)
            except Exception as error:  # another layout, or a fault that adasr explains better
                get_root_logger().info(f"{load_path} is not as BasicSR saves weights: {error}")
        load_into(self.get_bare_model(net), load_path, strict)
        return None

    @master_only
    def save_network(
        self, net: Any, net_label: str, current_iter: int, param_key: Any = "params"
    ) -> None:
        """Write BasicSR's ``.pth`` and, beside it, the weights that count as safetensors."""
        super().save_network(net, net_label, current_iter, param_key)
        nets = net if isinstance(net, list) else [net]
        name = f"{net_label}_{'latest' if current_iter == -1 else current_iter}.safetensors"
        bare = self.get_bare_model(nets[-1])  # BasicSR lists the EMA weights last
        save_network(Path(self.opt["path"]["models"]) / name, bare)

    def get_current_log(self) -> OrderedDict[str, float]:
        """The losses, and the share of sites that are annealed."""
        log = OrderedDict(self.log_dict)
        annealing = annealing_of(self.get_bare_model(self.net_g))
        if annealing is not None and annealing.sites:
            done = sum(site.weight == 1.0 for site in annealing.sites)
            log["annealed"] = done / len(annealing.sites)
        return log

    def _networks(self) -> list[nn.Module]:
        found = [self.net_g, getattr(self, "net_g_ema", None)]
        return [self.get_bare_model(net) for net in found if net is not None]


class AdaRealESRNetModel(AdaSRModel):
    """``AdaSRModel`` whose LQ images are made on the fly by adasr's degradations.

    ``degradation: {type: RealESRGAN, ...}`` at the top of the option file chooses the process and
    its options; without it the keys of a Real-ESRGAN option file are taken from where they stand
    there. ``gt_size`` is the side of a training crop; the training set gives frames that crops
    are cut out of after the degradation, as ``AdaImageFolder`` and BasicSR's
    ``RealESRGANDataset`` do. Every sample draws its own degradation, so there is no pool, and each
    draw is a pure function of seed, process and iteration.
    """

    def __init__(self, opt: dict[str, Any]) -> None:
        super().__init__(opt)
        self.current_iter = 0
        if self.is_train:
            options = opt.get("degradation") or real_esrgan_options(opt)
            try:
                self.degradation = DEGRADATION_REGISTRY.build(options, scale=opt["scale"])
            except OptionError as error:
                raise error.under("degradation") from None
            self.gt_size = opt.get("gt_size") or opt["datasets"]["train"].get("gt_size")

    def update_learning_rate(self, current_iter: int, warmup_iter: int = -1) -> None:
        """As every model does; the iteration is remembered for the degradation."""
        super().update_learning_rate(current_iter, warmup_iter)
        self.current_iter = current_iter

    def feed_data(self, data: Mapping[str, Any]) -> None:
        """Pairs made of ``data["gt"]`` in training, the given ones in validation.

        Raises:
            OptionError: the frames of the training set are too small.
        """
        if not self.is_train:
            super().feed_data(data)
            return
        gt = data["gt"].to(self.device)
        stream = generator(self.opt["manual_seed"], self.opt["rank"], self.current_iter)
        self.lq, self.gt = self._pairs(gt, stream)

    def nondist_validation(self, *args: Any, **kwargs: Any) -> None:
        """Validation on given pairs."""
        self.is_train = False
        try:
            super().nondist_validation(*args, **kwargs)
        finally:
            self.is_train = True

    def _pairs(self, gt: Tensor, stream: torch.Generator) -> tuple[Tensor, Tensor]:
        if not hasattr(self.degradation, "frame_size"):  # one of another package
            return self.degradation(gt / 255 if gt.dtype == torch.uint8 else gt, stream)
        try:
            return self.degradation(gt, stream, gt_size=self.gt_size)
        except ValueError as error:
            raise OptionError(
                f"the training set does not fit the degradation: {error}.",
                ("datasets", "train"),
                "Use AdaImageFolder, and a frame that is larger than gt_size.",
            ) from None


def real_esrgan_options(opt: Mapping[str, Any]) -> dict[str, Any]:
    """``{type: RealESRGAN, ...}`` from the keys of a Real-ESRGAN option file."""
    known = DEGRADATION_REGISTRY.options("RealESRGAN")
    places = (opt["datasets"]["train"], opt)
    given = {key: place[key] for place in places for key in known if key in place}
    return {"type": "RealESRGAN", **given}


def _with_regularizer(network: Mapping[str, Any], regularizer: Any) -> dict[str, Any]:
    if "regularizer" in network:
        raise OptionError(
            "is given twice, here and under network_g.", ("regularizer",), "Remove one of them."
        )
    if str(network.get("type", "")).startswith("Ada"):
        return {**network, "regularizer": regularizer}
    return {"type": "Regularized", "arch": network, "regularizer": regularizer}
