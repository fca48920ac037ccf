"""Models for BasicSR's registry."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from basicsr.models.sr_model import SRModel
from basicsr.utils import get_root_logger
from basicsr.utils.dist_util import master_only
from torch import Tensor, nn

from ...errors import OptionError, WeightsError
from ...inference.tiles import pad_to_multiple
from ...registry import DEGRADATION_REGISTRY, METRIC_REGISTRY
from ...regularizers.sites import RESERVED_PREFIX
from ...training.batches import generator
from ...weights import load_into, save_network
from ...weights.build import add_attributes


class AdaSRModel(SRModel):
    """BasicSR's ``SRModel``, for paired data, that shares its weights with adasr.

    It trains, validates, saves and resumes as ``SRModel`` does. Beside that it

    * writes ``net_g_ITER.safetensors`` beside BasicSR's ``.pth``: the EMA weights where there are
      any, with the arch in the metadata, for ``adasr infer``;
    * starts from weights of any layout that adasr reads, and says clearly what does not fit;
    * validates networks with attention windows on images of any size.
    """

    def __init__(self, opt: dict[str, Any]) -> None:
        _fill_in_better(opt)
        super().__init__(opt)
        for net in (self.net_g, getattr(self, "net_g_ema", None)):
            if net is not None:
                add_attributes(self.get_bare_model(net), opt.get("scale"))

    def feed_data(self, data: Mapping[str, Any]) -> None:
        """LQ and, where there is one, GT of a batch.

        Raises:
            OptionError: the dataset gives no LQ.
        """
        if "lq" not in data:
            raise OptionError(
                f"{type(self).__name__} needs LQ images, and the dataset gives none.",
                ("model_type",),
                "Use AdaRealESRNetModel, which makes them, or a dataset of pairs.",
            )
        super().feed_data(data)

    def test(self) -> None:
        """Restore the LQ batch, padded to whole windows for as long as that takes."""
        lq, net = self.lq, self.get_bare_model(self.net_g)
        windows = [getattr(module, "window_size", None) for module in net.modules()]
        multiple = math.lcm(net.size_multiple, *(w for w in windows if isinstance(w, int)))
        self.lq = pad_to_multiple(lq, multiple)
        try:
            super().test()
        finally:
            self.lq = lq
        h, w = (side * self.opt.get("scale", 1) for side in lq.shape[-2:])
        self.output = self.output[..., :h, :w]

    def load_network(
        self, net: nn.Module, load_path: str, strict: bool = True, param_key: Any = "params"
    ) -> None:
        """Load weights: BasicSR's own files as it does, all others as adasr does.

        Raises:
            WeightsError: they are of another network or regularizer, or cannot be read.
        """
        bare = self.get_bare_model(net)
        own, held = bare.state_dict(), _entry(load_path, param_key)
        if held is not None and _shapes(held[1]) == _shapes(own):
            super().load_network(net, load_path, strict, param_key)
            return
        gates = _gates(held[1]) if held is not None else {}
        if gates and _gates(own) and _shapes(gates) != _shapes(_gates(own)):
            raise WeightsError(
                load_path,
                "holds the parameters of another regularizer",
                "Give the regularizer the options that it was trained with.",
            )
        load_into(bare, load_path, strict, held[0] if held is not None else None)

    @master_only
    def save_network(
        self, net: Any, net_label: str, current_iter: int, param_key: Any = "params"
    ) -> None:
        """Write BasicSR's ``.pth`` and, beside it, the weights that count as safetensors."""
        super().save_network(net, net_label, current_iter, param_key)
        nets = net if isinstance(net, list) else [net]
        name = f"{net_label}_{'latest' if current_iter == -1 else current_iter}.safetensors"
        bare = self.get_bare_model(nets[-1])  # BasicSR lists the EMA weights last
        try:
            save_network(Path(self.opt["path"]["models"]) / name, bare)
        except OSError as error:  # as for the .pth: the training goes on
            get_root_logger().warning(f"{name} cannot be written: {error}")


class AdaRealESRNetModel(AdaSRModel):
    """``AdaSRModel`` whose LQ images are made on the fly by adasr's degradations.

    ``degradation: {type: RealESRGAN, ...}`` at the top of the option file chooses the process and
    its options; without it the keys of a Real-ESRGAN option file are taken from where they stand
    there. ``gt_size`` is the side of a training crop; the training set gives frames that crops
    are cut out of after the degradation, as ``AdaImageFolder`` and BasicSR's
    ``RealESRGANDataset`` do. Every sample draws its own degradation, so there is no pool, and each
    draw is a pure function of seed, process and iteration. With ``high_order_degradation: false``
    it trains on given pairs, as ``RealESRNetModel`` does.
    """

    def __init__(self, opt: dict[str, Any]) -> None:
        super().__init__(opt)
        self.current_iter = 0
        self.makes_pairs = self.is_train and opt.get("high_order_degradation", True)
        if self.makes_pairs:
            options = opt.get("degradation") or real_esrgan_options(opt)
            try:
                self.degradation = DEGRADATION_REGISTRY.build(options, scale=opt["scale"])
            except OptionError as error:
                raise error.under("degradation") from None
            self.gt_size = opt.get("gt_size") or opt["datasets"]["train"].get("gt_size")
            if self.gt_size and self.gt_size % opt["scale"]:
                raise OptionError(
                    f"{self.gt_size} is no multiple of the scale {opt['scale']}.", ("gt_size",)
                )

    def update_learning_rate(self, current_iter: int, warmup_iter: int = -1) -> None:
        """As every model does; the iteration is remembered for the degradation."""
        super().update_learning_rate(current_iter, warmup_iter)
        self.current_iter = current_iter

    def feed_data(self, data: Mapping[str, Any]) -> None:
        """Pairs made of ``data["gt"]`` in training, the given ones in validation.

        Raises:
            OptionError: the frames of the training set are too small.
        """
        if not (self.is_train and self.makes_pairs):
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


def _fill_in_better(opt: Mapping[str, Any]) -> None:
    """Which way adasr's metrics improve; BasicSR takes higher for better where nothing is said."""
    for options in ((opt.get("val") or {}).get("metrics") or {}).values():
        name = str(options.get("type", "")).removeprefix("ada_")
        if name != options.get("type") and name in METRIC_REGISTRY:
            higher = getattr(METRIC_REGISTRY.get(name), "higher_is_better", True)
            options.setdefault("better", "higher" if higher else "lower")


def _entry(path: str, key: str | None) -> tuple[str | None, dict[str, Tensor]] | None:
    """What BasicSR would load from a ``.pth`` file, and under which key; None for other files."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception:  # whatever torch makes of another file; adasr's reader explains it
        return None
    if key is not None and key not in content and "params" in content:
        key = "params"
    state = content if key is None else content.get(key)
    if not isinstance(state, Mapping) or not all(isinstance(v, Tensor) for v in state.values()):
        return None
    return key, {name.removeprefix("module."): value for name, value in state.items()}


def _shapes(state: Mapping[str, Tensor]) -> dict[str, torch.Size]:
    return {name: value.shape for name, value in state.items()}


def _gates(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {k: v for k, v in state.items() if k.startswith(f"{RESERVED_PREFIX}.")}
