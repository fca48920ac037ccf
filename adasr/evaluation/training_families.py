"""Which families of degradations a network was trained on, so that "unseen" means something."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import AdasrError
from ..options import Options
from ..options.yaml_text import parse
from ..registry import DEGRADATION_REGISTRY


def families_of_training(source: Options | Mapping[str, Any]) -> tuple[str, ...] | None:
    """The families of a training's degradation, see ``degradations.families.FAMILIES``.

    Args:
        source: checked options, options as a mapping, or the metadata of a weights file, which has
            them as YAML under "options".

    Returns:
        The families that its parameters allow; None where nobody knows: no options, LQ images that
        came from files, a degradation that does not say or that this version cannot build.
    """
    if isinstance(source, Options):
        if source.degradation is None:
            return None
        wanted, scale = source.degradation.options, source.scale
    else:
        options = _options_in(source)
        wanted, scale = options.get("degradation"), options.get("scale")
    if not isinstance(wanted, Mapping) or not isinstance(scale, int):
        return None
    try:
        degradation = DEGRADATION_REGISTRY.build(wanted, scale=scale)
    except AdasrError:
        return None
    families = getattr(degradation, "families", None)
    return None if families is None else tuple(families)


def _options_in(source: Mapping[str, Any]) -> Mapping[str, Any]:
    text = source.get("options")
    if not isinstance(text, str):
        return source
    try:
        found, _ = parse(text)
    except AdasrError:
        return {}
    return found if isinstance(found, Mapping) else {}
