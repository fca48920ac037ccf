"""A JSON schema of ablation YAMLs, for editors."""

from __future__ import annotations

from typing import Any

from ..options.json_schema import DRAFT
from .options import AblationOptions


def ablation_schema() -> dict[str, Any]:
    """The JSON schema of an ablation's YAML. What stands in changes is checked by ``ablate``."""
    schema = _without_titles(AblationOptions.model_json_schema())
    return {"$schema": DRAFT, "title": "adasr ablation", **schema}


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
