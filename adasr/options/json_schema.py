"""A JSON schema of option YAMLs: completion, descriptions and checks in an editor."""

from __future__ import annotations

from typing import Any

from pydantic import PydanticInvalidForJsonSchema, PydanticSchemaGenerationError, TypeAdapter
from pydantic.errors import PydanticUserError

from ..registry import DATASET_REGISTRY, REGISTRIES, Option, Registry
from .schema import Options

DRAFT = "http://json-schema.org/draft-07/schema#"  # the newest that YAML plug-ins know
_REGISTRY = "x-registry"  # stands for a reference, which pydantic would look for in vain


def json_schema() -> dict[str, Any]:
    """The JSON schema of an option YAML, from the models and the registered signatures."""
    schema = Options.model_json_schema()
    sections = schema["$defs"]
    listed = {kind for registry in REGISTRIES.values() for kind in registry.lists.values()}
    datasets = sections["DatasetOptions"]
    datasets["patternProperties"] = {"^(val|test)": component_schema(DATASET_REGISTRY, {})}
    datasets["additionalProperties"] = False
    # 0 only says that a test has no iterations; nobody should write it.
    del sections["TrainOptions"]["properties"]["total_iter"]["default"]
    for part in (*sections.values(), schema):
        _say_none(part)
    for part in (schema["properties"], datasets["patternProperties"]):
        _allow_empty(part, schema["required"])
    sections.update({kind: component_schema(REGISTRIES[kind], {}) for kind in sorted(listed)})
    return {"$schema": DRAFT, "title": "adasr options", **_with_references(_without_titles(schema))}


def component_schema(registry: Registry, own: dict[str, Any]) -> dict[str, Any]:
    """``{type, ...}`` with one registry's components, and options of ``own`` beside theirs."""
    beside = {k: v for k, v in own.items() if k not in ("type", "arguments")}
    names = registry.names()
    kinds = {"description": f"Name of the {registry.kind}.", "anyOf": [{"enum": names}]}
    if registry.basicsr is not None:
        kinds["anyOf"].append({"type": "string"})  # BasicSR's names are found when it is there
    return {
        "type": "object",
        "required": ["type"],
        "properties": {"type": kinds},
        "allOf": [
            {
                "if": {"properties": {"type": {"const": name}}, "required": ["type"]},
                "then": _options_schema(registry, name, {"type": True, **beside}),
            }
            for name in names
        ],
    }


def metrics_schema(registry: Registry) -> dict[str, Any]:
    """Metrics by label; a label that is a metric's name needs no type."""
    named = {}
    for name in registry.names():
        options = _options_schema(registry, name, {"type": {"const": name}})
        any_type = component_schema(registry, {})
        # The metric's own options, unless the label names another type.
        named[name] = {"anyOf": [{"type": "null"}, options, any_type]}
    labels = {"type": "object", "properties": named, "minProperties": 1}
    return {**labels, "additionalProperties": component_schema(registry, {})}


def _options_schema(registry: Registry, name: str, beside: dict[str, Any]) -> dict[str, Any]:
    options = registry.options(name)
    required = [option.name for option in options.values() if option.required]
    return {
        "type": "object",
        "description": registry.doc(name),
        "properties": {
            **beside,
            **{o.name: _option_schema(o, registry.lists.get(o.name)) for o in options.values()},
        },
        "required": required,
        "additionalProperties": False,
    }


def _option_schema(option: Option, components: str | None) -> dict[str, Any]:
    try:
        known = option.type_name != "any"
        schema = TypeAdapter(option.annotation).json_schema() if known else {}
    except (PydanticSchemaGenerationError, PydanticInvalidForJsonSchema, PydanticUserError):
        schema = {}
    if components is not None:
        schema = {"type": "array", "minItems": 1, "items": {_REGISTRY: components}}
    if "$defs" in schema:
        schema = {}  # its references would point into another document
    if option.doc:
        schema["description"] = option.doc
    if isinstance(option.default, bool | int | float | str):
        schema["default"] = option.default
    return schema


def _say_none(section: dict[str, Any]) -> None:
    """Components that may be missing can be called ``none``; defaults that YAML can't say go."""
    for schema in section.get("properties", {}).values():
        choices = schema.get("anyOf", [])
        if {"type": "null"} in choices and any("allOf" in choice for choice in choices):
            choices.append({"const": "none"})
        if isinstance(schema.get("default"), dict):
            del schema["default"]


def _allow_empty(schemas: dict[str, Any], required: list[str]) -> None:
    """A section or dataset without content counts as left out."""
    for name, schema in schemas.items():
        if name not in required and {"type": "null"} not in schema.get("anyOf", []):
            told = {k: schema.pop(k) for k in ("description", "default") if k in schema}
            schemas[name] = {"anyOf": [schema, {"type": "null"}], **told}


def _with_references(schema: Any) -> Any:
    """With a reference wherever any component of a registry may stand: a step may hold steps."""
    if isinstance(schema, list):
        return [_with_references(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if _REGISTRY in schema:
        return {"$ref": f"#/$defs/{schema[_REGISTRY]}"}
    return {key: _with_references(value) for key, value in schema.items()}


def _without_titles(schema: Any) -> Any:
    """Without pydantic's titles, which only repeat the keys."""
    if isinstance(schema, list):
        return [_without_titles(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: _without_titles(value)
        for key, value in schema.items()
        if not (key == "title" and isinstance(value, str))
    }
