"""Test sets and metrics out of options, for validation while training and for ``adasr test``."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ..degradations.testset import degrade
from ..errors import UnavailableError
from ..metrics import Metric
from ..options import Component, Options
from ..registry import DATASET_REGISTRY, METRIC_REGISTRY
from .loading import ImagePairs


def make_datasets(options: Options, wanted: Mapping[str, Component]) -> dict[str, ImagePairs]:
    """The datasets of ``options`` to score on, by name."""
    datasets = {}
    for name, component in wanted.items():
        with options.at("datasets", name):
            datasets[name] = DATASET_REGISTRY.build(
                component.options, scale=options.scale, degrade=degrade
            )
    return datasets


def make_metrics(options: Options, warn: Callable[[str], None]) -> dict[str, Metric]:
    """The metrics by label; one that cannot be had on this machine is named and left out."""
    metrics = {}
    for label, component in options.val.metrics.items() if options.val else ():
        try:
            with options.at("val", "metrics", label):
                metrics[label] = METRIC_REGISTRY.build(component.options)
        except UnavailableError as error:
            warn(f"metric '{label}' is left out: {error}")
    return metrics
