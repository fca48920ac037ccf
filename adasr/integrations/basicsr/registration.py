"""What adasr adds to BasicSR's registries."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...errors import UnavailableError

_OURS = __package__


def register() -> None:
    """Add adasr's components to BasicSR's registries; once is enough, again does nothing.

    Raises:
        UnavailableError: another package has registered one of the names.
    """
    from basicsr.utils import registry as basicsr_registry

    from . import archs, datasets, losses, metrics, models
    from .hooks import hook

    components = {
        "ARCH_REGISTRY": [*archs.our_archs(), archs.Regularized],
        "MODEL_REGISTRY": [models.AdaSRModel, models.AdaRealESRNetModel],
        "DATASET_REGISTRY": [
            datasets.AdaImageFolder,
            datasets.AdaPairedFolder,
            datasets.AdaDegradedFolder,
        ],
        "LOSS_REGISTRY": losses.our_losses(),
        "METRIC_REGISTRY": metrics.our_metrics(),
    }
    for name, wanted in components.items():
        registry = getattr(basicsr_registry, name)
        for component in wanted:
            _add(registry, component)
    hook()


def _add(registry: Any, component: Callable[..., Any]) -> None:
    name = component.__name__
    if name not in registry:
        registry.register(component)
        return
    held = registry.get(name)
    if not str(held.__module__).startswith(str(_OURS)):
        raise UnavailableError(
            f"'{name}' is registered twice in BasicSR: by {held.__module__} and by adasr. "
            f"Rename the one of {held.__module__}."
        )
