"""A regularizer's options by themselves, for code that has no option YAML around them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from ..registry import REGULARIZER_REGISTRY
from .components import split
from .faults import OptionErrors
from .schema import RegularizerOptions
from .wording import reworded


def read_regularizer(value: Mapping[str, Any]) -> RegularizerOptions:
    """``{type, sites, schedule, **options}``, as under ``regularizer:`` in a YAML, checked.

    Raises:
        OptionError: the first thing that is wrong; its key is the path inside ``value``.
    """
    try:
        fields = split(REGULARIZER_REGISTRY, RegularizerOptions, value)
        return RegularizerOptions.model_validate(fields)
    except OptionErrors as errors:
        raise errors.errors[0] from None
    except ValidationError as error:
        raise reworded(error, RegularizerOptions)[0] from None
