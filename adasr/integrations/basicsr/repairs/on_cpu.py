"""Faults of BasicSR where it is told to run on a CPU.

What a model is told only shows when it runs, so these repairs look at it then; on a machine with
CUDA and for models on it they do nothing.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.overrides import TorchFunctionMode

from .tools import Repair, basicsr, replace, swapped


def _no_cuda() -> bool:
    return not torch.cuda.is_available()


# Some models call .cuda() or ask for device="cuda" whatever num_gpu says.

_CUDA_METHODS = (
    ("models.realesrnet_model", "RealESRNetModel", "__init__"),
    ("models.realesrnet_model", "RealESRNetModel", "_dequeue_and_enqueue"),
    ("models.realesrgan_model", "RealESRGANModel", "__init__"),
    ("models.realesrgan_model", "RealESRGANModel", "_dequeue_and_enqueue"),
    ("models.video_base_model", "VideoBaseModel", "dist_validation"),
    ("models.video_recurrent_model", "VideoRecurrentModel", "dist_validation"),
)


class _CudaIsCpu(TorchFunctionMode):
    """Inside it, ``.cuda()`` and ``device="cuda"`` mean the CPU."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        if func is Tensor.cuda:
            return args[0]
        if kwargs.get("device") is not None and torch.device(kwargs["device"]).type == "cuda":
            kwargs["device"] = "cpu"
        return func(*args, **kwargs)


def _mend_cuda_methods() -> None:
    for module, class_name, name in _CUDA_METHODS:
        owner = getattr(basicsr(module), class_name)
        setattr(owner, name, _on_cpu(getattr(owner, name)))


def _on_cpu(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        # The constructor is given the options; later the model knows its device.
        options = args[0] if args and isinstance(args[0], dict) else {}
        told = "cpu" if options.get("num_gpu") == 0 else getattr(self, "device", "cuda")
        if torch.device(told).type != "cpu":
            return original(self, *args, **kwargs)
        with _CudaIsCpu():
            return original(self, *args, **kwargs)

    return method


# Recurrent models squeeze their validation batch in place, counting on a copy on the GPU.


def _mend_recurrent_feed() -> None:
    owner = basicsr("models.video_recurrent_model").VideoRecurrentModel
    original = owner.feed_data

    @functools.wraps(original)
    def feed_data(self: Any, data: Mapping[str, Any]) -> None:
        original(self, {k: v.clone() if isinstance(v, Tensor) else v for k, v in data.items()})

    owner.feed_data = feed_data


# Resuming asks for the current CUDA device and loads to it. From the CPU the optimizer takes its
# state to the parameters by itself.


def _mend_resume() -> None:
    original = basicsr("train").load_resume_state

    @functools.wraps(original)
    def load_resume_state(opt: dict[str, Any]) -> Any:
        load = functools.partial(_load_to_cpu, torch.load)
        with (
            swapped(torch.cuda, "current_device", lambda: 0),
            swapped(torch, "load", load),
        ):
            return original(opt)

    replace(original, load_resume_state)


def _load_to_cpu(load: Callable[..., Any], file: Any, **kwargs: Any) -> Any:
    return load(file, **{**kwargs, "map_location": "cpu"})


# Several processes are joined by NCCL and CUDA devices only.


def _mend_init_dist() -> None:
    original = basicsr("utils.dist_util").init_dist

    @functools.wraps(original)
    def init_dist(launcher: str, backend: str = "gloo", **kwargs: Any) -> None:
        join = functools.partial(_join_by_gloo, dist.init_process_group)
        with (
            swapped(torch.cuda, "device_count", lambda: 1),
            swapped(torch.cuda, "set_device", lambda device: None),
            swapped(dist, "init_process_group", join),
        ):
            original(launcher, **kwargs)

    replace(original, init_dist)


def _join_by_gloo(join: Callable[..., None], *args: Any, **kwargs: Any) -> None:
    join(*args, **{**kwargs, "backend": "gloo"})


def _mend_model_to_device() -> None:
    owner = basicsr("models.base_model").BaseModel
    original = owner.model_to_device

    @functools.wraps(original)
    def model_to_device(self: Any, net: nn.Module) -> nn.Module:
        if self.device.type != "cpu":
            return original(self, net)
        with (
            swapped(torch.cuda, "current_device", lambda: 0),
            swapped(basicsr("models.base_model"), "DistributedDataParallel", _on_no_device),
        ):
            return original(self, net)

    owner.model_to_device = model_to_device


def _on_no_device(net: nn.Module, device_ids: Any = None, **kwargs: Any) -> nn.Module:
    return DistributedDataParallel(net, **kwargs)


# An option file written for GPUs says how many, and how batches go to them.


def _mend_options() -> None:
    original = basicsr("utils.options").parse_options

    @functools.wraps(original)
    def parse_options(*args: Any, **kwargs: Any) -> Any:
        opt, arguments = original(*args, **kwargs)
        if opt["num_gpu"]:
            print(f"num_gpu is {opt['num_gpu']}, but there is no CUDA device: running on the CPU.")
            opt["num_gpu"] = 0
        for dataset in opt["datasets"].values():
            if dataset.get("prefetch_mode") == "cuda":
                print("prefetch_mode is cuda, but there is no CUDA device: it is left out.")
                dataset["prefetch_mode"] = None
        return opt, arguments

    replace(original, parse_options)


def _always() -> bool:
    return True


REPAIRS = (
    Repair(".cuda() on the CPU", _always, _mend_cuda_methods),
    Repair("video validation on the CPU", _no_cuda, _mend_recurrent_feed),
    Repair("resuming to the current CUDA device", _always, _mend_resume),
    Repair("several processes without CUDA", _no_cuda, _mend_init_dist),
    Repair("DistributedDataParallel on the CPU", _always, _mend_model_to_device),
    Repair("options for GPUs without CUDA", _no_cuda, _mend_options),
)
