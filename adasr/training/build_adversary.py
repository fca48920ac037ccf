"""The discriminator, its optimizer and its loss out of options."""

from __future__ import annotations

import itertools

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from ..errors import OptionError
from ..options import Options
from ..registry import DISCRIMINATOR_REGISTRY, LOSS_REGISTRY, OPTIMIZER_REGISTRY
from ..weights import load_into
from .adversarial import Adversary


def make_adversary(
    options: Options, accelerator: Accelerator, fresh: bool = True
) -> Adversary | None:
    """The discriminator's side of the training, or None where there is no ``network_d``.

    Args:
        options: checked options of a training.
        accelerator: device, precision, processes.
        fresh: start from ``path.pretrain_network_d``; a resumed run has its own weights.

    Raises:
        OptionError: an option that only shows to be wrong when its part is built.
        WeightsError: ``path.pretrain_network_d`` cannot be read or is of another network.
    """
    train, path = options.train, options.path
    if options.network_d is None or train.gan_opt is None:
        return None
    with options.at("network_d"):
        net = _built(options)
    if path.pretrain_network_d is not None and fresh:
        load_into(net, path.pretrain_network_d, path.strict_load_d)
    with options.at("train", "gan_opt"):
        loss = LOSS_REGISTRY.build(train.gan_opt.options)
        _try_loss(loss, train.gan_opt.type)
    net = net.to(accelerator.device)
    # As for the generator: by default where half precision runs.
    if accelerator.mixed_precision != "no" if train.channels_last is None else train.channels_last:
        net = net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    key = "optim_g" if train.optim_d is None else "optim_d"
    with options.at("train", key):
        optimizer = OPTIMIZER_REGISTRY.build(
            (train.optim_d or train.optim_g).options, params=net.parameters()
        )
    return Adversary(
        net,
        optimizer,
        loss.to(accelerator.device),
        accelerator,
        net_d_iters=train.net_d_iters,
        net_d_init_iters=train.net_d_init_iters,
    )


def _built(options: Options) -> nn.Module:
    """The discriminator, after it has judged a gray crop of the training's size."""
    wanted = options.network_d
    assert wanted is not None
    try:
        net = DISCRIMINATOR_REGISTRY.build(wanted.options)
    except Exception as error:
        if wanted.type in DISCRIMINATOR_REGISTRY or isinstance(error, OptionError):
            raise
        # Of another package, which raises whatever it does at a wrong option.
        raise OptionError(f"{wanted.type} cannot be built: {error}.", ("type",)) from None
    _try_discriminator(net, wanted.type, _gt_size(options))
    # Tells messages about weights what network they should have been of.
    vars(net)["arch_options"] = wanted.options
    return net


def _gt_size(options: Options) -> int:
    train = options.datasets.train
    size = train.arguments.get("gt_size") if train is not None else None
    return size if isinstance(size, int) else 128


def _try_discriminator(net: nn.Module, name: str, side: int) -> None:
    gray = torch.full((1, 3, side, side), 0.5)
    training = net.training
    try:
        with torch.no_grad():
            # Evaluation changes no buffer of the network.
            judged = net.eval()(gray)
    except Exception as error:  # whatever a network of another package raises
        reason = str(error).partition("\n")[0]
        raise OptionError(
            f"{name} cannot judge crops of datasets.train.gt_size {side}: {reason}.",
            ("type",),
            "Change gt_size, or choose another discriminator.",
        ) from None
    net.train(training)
    images = isinstance(judged, Tensor) and judged.ndim == 4 and judged.shape[1] > 1
    if not isinstance(judged, Tensor) or len(judged) != 1 or images:
        raise OptionError(
            f"{name} does not judge images as a discriminator does.",
            ("type",),
            f"Known: {', '.join(DISCRIMINATOR_REGISTRY.names())}.",
        )


def _try_loss(loss: nn.Module, name: str) -> None:
    try:
        for real, is_disc in itertools.product((True, False), repeat=2):
            loss(torch.zeros(1, 1), real, is_disc=is_disc).item()
    except Exception as error:  # whatever a loss of another package raises
        raise OptionError(
            f"{name} takes no discriminator's output ({error}).", ("type",), "Use GANLoss."
        ) from None
