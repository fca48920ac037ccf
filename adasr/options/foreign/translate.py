"""From a file of BasicSR or of a project built on it to our own options."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from .adversarial import take_adversary, take_targets
from .datasets import is_foreign_dataset, take_datasets
from .degradation import take_degradation
from .draft import Draft, Translation
from .models import take_model
from .networks import is_of_dropout_papers, take_network
from .own_names import take_own_names
from .report import Key
from .training import take_training
from .validation import drop_unscored, take_paths, take_validation


def translate(options: dict[str, Any], overridden: Collection[Key] = ()) -> Translation:
    """``options`` in our own keys; ours already, they come back as they are.

    Our keys may stand in a file of another project and count there as they always do.

    Args:
        options: what a file and ``--set`` say; it stays as it is.
        overridden: the keys that ``--set`` gave.
    """
    if not is_foreign(options):
        return Translation(options)
    draft = Draft(options, overridden)
    headline = _headline(options)
    take_own_names(draft)
    take_network(draft)
    take_adversary(draft)
    take_degradation(draft)
    take_targets(draft)
    take_model(draft)
    drop_unscored(draft)
    take_datasets(draft)
    take_training(draft)
    take_validation(draft)
    take_paths(draft)
    return draft.finished(headline)


def is_foreign(options: Mapping[str, Any]) -> bool:
    """Whether the options are written for BasicSR: by its model or a dataset that only it has."""
    if "model_type" in options:
        return True
    datasets = options.get("datasets")
    held = datasets.values() if isinstance(datasets, Mapping) else ()
    return any(isinstance(d, Mapping) and is_foreign_dataset(d.get("type")) for d in held)


def _headline(options: Mapping[str, Any]) -> str:
    network, model = options.get("network_g"), options.get("model_type")
    if isinstance(network, Mapping) and is_of_dropout_papers(network.get("type")):
        kind = "a file of the dropout papers' code"
    elif model in ("RealESRNetModel", "RealESRGANModel"):
        kind = "a Real-ESRGAN file"
    else:
        kind = "a BasicSR file"
    return f"{kind} (model_type {model}), taken as:" if model else f"{kind}, taken as:"
