"""A component in the options: its name and its arguments, checked against its signature."""

from __future__ import annotations

import copy
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema, core_schema

from ..errors import OptionError
from ..registry import Registry
from .faults import OptionErrors, shown


class Section(BaseModel):
    """A part of the options: typed, unchangeable, without unknown keys."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True
    )


class Component(Section):
    """Something that a registry holds, as ``{type: NAME, **arguments}`` in YAML."""

    type: str
    """Its name in its registry."""
    arguments: dict[str, Any] = Field(default_factory=dict)
    """Its options by name, as given (without defaults)."""

    @property
    def options(self) -> dict[str, Any]:
        """What ``Registry.build`` takes: ``{"type": name, **arguments}``, a copy."""
        return {"type": self.type, **copy.deepcopy(self.arguments)}

    @classmethod
    def own_options(cls) -> list[str]:
        """Options that stand beside the component's arguments but are not its own."""
        return [name for name in cls.model_fields if name not in ("type", "arguments")]


@dataclass(frozen=True)
class Of:
    """Marks a component's registry: ``Annotated[Component, Of(LOSS_REGISTRY)]``."""

    registry: Registry

    def __get_pydantic_core_schema__(
        self, source: type[Component], handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """The model's schema, behind the check against the registry."""

        def check(value: Any) -> Any:
            return value if isinstance(value, Component) else split(self.registry, source, value)

        return core_schema.no_info_before_validator_function(check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: Any) -> dict[str, Any]:
        """The schema for editors, from the signatures in the registry."""
        from .json_schema import component_schema

        own = handler(schema)
        own = handler.resolve_ref_schema(own) if "$ref" in own else own
        return component_schema(self.registry, own.get("properties", {}))


def registry_of(field: FieldInfo) -> Registry | None:
    """The registry of the component, or of the components, in a field of a section."""

    def marks(annotation: Any) -> Iterator[Any]:
        yield from getattr(annotation, "__metadata__", ())
        for inner in typing.get_args(annotation):
            yield from marks(inner)

    found = [*field.metadata, *marks(field.annotation)]
    return next((mark.registry for mark in found if isinstance(mark, Of)), None)


def split(registry: Registry, model: type[Component], value: Any) -> dict[str, Any]:
    """``{type, **arguments, **own}`` as the fields of ``model``, all faults found at once.

    Raises:
        OptionError: no mapping.
        OptionErrors: what the registry or the model finds wrong.
    """
    if not isinstance(value, Mapping):
        known = isinstance(value, str) and value in registry
        hint = f"Known: {', '.join(registry.names())}."
        raise OptionError(
            f"expected a mapping with a 'type', got {shown(value)}.",
            hint=f"Write {{type: {value}}}." if known else f"Write {{type: NAME, ...}}. {hint}",
        )
    own = {key: value[key] for key in model.own_options() if key in value}
    rest = {key: v for key, v in value.items() if key not in own}
    name, arguments, errors = check_all(registry, rest)
    if errors and own:
        errors += _own_errors(model, own)
    if errors:
        raise OptionErrors(errors)
    return {"type": name, "arguments": arguments, **own}


def check_all(
    registry: Registry, options: Mapping[str, Any]
) -> tuple[str, dict[str, Any], list[OptionError]]:
    """``Registry.check`` that goes on after a fault: name, arguments, every fault."""
    remaining, refused, errors = dict(options), set(), []
    while True:
        try:
            name, arguments = registry.check(remaining)
            return name, arguments, errors
        except OptionError as error:
            part = error.key[0] if error.key else None
            # An option that was refused above is not missing as well.
            if part not in refused:
                errors.append(error)
            if part not in remaining or part == "type":
                return "", {}, errors
            refused.add(part)
            del remaining[part]


def _own_errors(model: type[Component], own: Mapping[str, Any]) -> list[OptionError]:
    from .wording import reworded

    try:
        model.model_validate({"type": "", **own})
    except ValidationError as error:
        return reworded(error, model)
    return []
