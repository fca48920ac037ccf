"""Pydantic's findings in our words: what was expected, what came, what to write instead."""

from __future__ import annotations

import difflib
import typing
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from ..errors import OptionError, did_you_mean
from .components import Component, registry_of
from .faults import OptionErrors, shown

_EXPECTED = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing_size": "a smaller whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "string_type": "text",
    "path_type": "a path",
    "is_instance_of": "a path",
    "model_type": "a mapping of options",
    "dict_type": "a mapping of options",
    "list_type": "a list",
}
_BOUNDS = {
    "greater_than": ("above", "gt"),
    "greater_than_equal": ("at least", "ge"),
    "less_than": ("below", "lt"),
    "less_than_equal": ("at most", "le"),
}


def reworded(error: ValidationError, model: type[BaseModel]) -> list[OptionError]:
    """Every fault in ``error`` as an ``OptionError`` whose key is the path inside ``model``."""
    return [fault for details in error.errors() for fault in _faults(details, model)]


def _faults(details: ErrorDetails, model: type[BaseModel]) -> list[OptionError]:
    key, kind, value = tuple(details["loc"]), details["type"], details["input"]
    context = details.get("ctx", {})
    cause = context.get("error")
    if isinstance(cause, OptionErrors):
        return [inner.under(*key) for inner in cause.errors]
    if isinstance(cause, OptionError):
        return [cause.under(*key)]
    if kind == "missing":
        return [OptionError("the option is missing.", key, _described(model, key))]
    if kind == "extra_forbidden":
        return [unknown_option(model, key)]
    if kind in _BOUNDS:
        word, bound = _BOUNDS[kind]
        return [OptionError(f"must be {word} {context[bound]:g}, got {shown(value)}.", key)]
    if kind == "finite_number":
        return [OptionError(f"must be a finite number, got {shown(value)}.", key)]
    if kind == "literal_error":
        hint = did_you_mean(value, _literals(model, key)) if isinstance(value, str) else ""
        hint = hint if hint.startswith("Did") else ""
        message = f"expected {context['expected']}, got {shown(value)}."
        return [OptionError(message, key, hint)]
    if kind in _EXPECTED:
        message = f"expected {_EXPECTED[kind]}, got {shown(value)}."
        return [OptionError(message, key, _quotes_hint(kind, value))]
    return [OptionError(f"{details['msg']}, got {shown(value)}.", key)]


def unknown_option(model: type[BaseModel], key: tuple[str | int, ...]) -> OptionError:
    """The error for a key that ``model`` lacks: the nearest one, or the section it belongs in."""
    *inside, name = key
    section = _model_at(model, tuple(inside)) or model
    message = f"there is no option '{name}'."
    name, known = str(name), list(section.model_fields)
    if difflib.get_close_matches(name.lower(), [k.lower() for k in known], n=1, cutoff=0.75):
        return OptionError(message, key, did_you_mean(name, known))
    homes = [".".join(path) for path in _homes(model, name)]
    if homes:
        return OptionError(message, key, f"It belongs under {' or '.join(map(repr, homes))}.")
    return OptionError(message, key, did_you_mean(name, known))


def _homes(model: type[BaseModel], name: str, above: tuple[str, ...] = ()) -> Iterator[tuple]:
    """The sections that have an option called ``name``, own ones before those of components."""
    if above and name in model.model_fields:
        yield above
    for part, field in model.model_fields.items():
        inner = _section(field.annotation)
        if inner is None:
            continue
        place = (*above, part)
        registry = registry_of(field)
        if registry is not None and any(name in registry.options(n) for n in registry.names()):
            yield place
        elif issubclass(inner, Component):
            if name in inner.own_options():
                yield place
        else:
            yield from _homes(inner, name, place)


def _model_at(model: type[BaseModel], key: tuple[str | int, ...]) -> type[BaseModel] | None:
    found: type[BaseModel] | None = model
    for part in key:
        field = found.model_fields.get(str(part)) if found else None
        found = _section(field.annotation) if field else None
    return found


def _section(annotation: Any) -> type[BaseModel] | None:
    """The model in ``Model``, ``Model | None`` or ``Annotated[Model, ...] | None``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if typing.get_origin(annotation) in (dict, list, tuple):
        return None
    inner = (_section(a) for a in typing.get_args(annotation))
    return next((model for model in inner if model), None)


def _literals(model: type[BaseModel], key: tuple[str | int, ...]) -> list[str]:
    section = _model_at(model, key[:-1])
    field = section.model_fields.get(str(key[-1])) if section else None
    return [a for a in typing.get_args(field.annotation) if isinstance(a, str)] if field else []


def _described(model: type[BaseModel], key: tuple[str | int, ...]) -> str:
    section = _model_at(model, key[:-1])
    field = section.model_fields.get(str(key[-1])) if section else None
    return (field.description or "").partition("\n\n")[0].replace("\n", " ") if field else ""


def _quotes_hint(kind: str, value: Any) -> str:
    if kind == "string_type" and isinstance(value, int | float):
        return f'Write it in quotes: "{value}".'
    if kind in ("int_type", "float_type") and isinstance(value, str):
        try:
            float(value)
        except ValueError:
            return ""
        return "Leave the quotes out."
    return ""
