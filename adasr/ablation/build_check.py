"""What would end a run in its first seconds, found before the first of them is trained."""

from __future__ import annotations

from ..options import Options, check_paths
from ..training.build import (
    align,
    choose_targets,
    make_degradation,
    make_losses,
    make_schedule,
    make_settings,
    make_training_set,
    pairs_of,
    regularize,
)
from ..weights import build_network, load_into


def check_build(options: Options) -> None:
    """Build the network, its regularizer, the data set and the losses of a run; nothing is trained.

    ``adasr check`` does more: it reads every image and trains for trial.

    Raises:
        AdasrError: what the training would have said.
    """
    check_paths(options, "train")
    make_settings(options)
    with options.at("network_g"):
        net = build_network(options.network_g.options)
    path = options.path
    if path.pretrain_network_g is not None:
        load_into(net, path.pretrain_network_g, path.strict_load_g, path.param_key_g)
    regularize(net, options)
    degradation = make_degradation(options)
    training_set = make_training_set(options, degradation)
    make_pairs, _ = align(options, net, pairs_of(degradation, training_set))
    choose_targets(options, degradation, make_pairs)
    make_schedule(options)
    make_losses(options)
