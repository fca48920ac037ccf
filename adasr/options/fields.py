"""Kinds of values that option YAMLs hold, read as their writers mean them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, GetCoreSchemaHandler, WithJsonSchema
from pydantic_core import CoreSchema, core_schema

from ..errors import OptionError, did_you_mean
from ..registry import METRIC_REGISTRY
from .faults import shown

COMPILE_MODES = ("default", "reduce-overhead", "max-autotune", "max-autotune-no-cudagraphs")


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _none(value: Any) -> Any:
    return None if value in ("none", "None") else value


def _path(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if not value.strip():
        raise OptionError("expected a path, got nothing.", hint="Write ~ for none.")
    return Path(value).expanduser()


def _sites(value: Any) -> Any:
    patterns = value if isinstance(value, list | tuple) else [value]
    if not patterns or not all(isinstance(p, str) and p.strip() for p in patterns):
        raise OptionError(
            f"expected default, last, a site or a list of sites, got {shown(value)}.",
            hint="A site is a module name such as 'body.*.conv1' or 'conv_last:input'.",
        )
    return tuple(value) if isinstance(value, list) else value


def _compile(value: Any) -> Any:
    if isinstance(value, bool) or value in COMPILE_MODES:
        return value
    hint = did_you_mean(value, COMPILE_MODES) if isinstance(value, str) else ""
    raise OptionError(f"expected true, false or a mode of torch.compile, got {value!r}.", hint=hint)


def _unused_wandb(value: Any) -> Any:
    """BasicSR's files switch W&B off by ``wandb: {project: ~}``."""
    return None if isinstance(value, Mapping) and value.get("project", "") is None else value


WholeNumber = BeforeValidator(_whole)  # after the bounds, so that editors see those too
Positive = Annotated[int, Field(gt=0), WholeNumber]
FilePath = Annotated[Path, BeforeValidator(_path)]
NoneWord = BeforeValidator(_none)
Sites = Annotated[
    str | tuple[str, ...],
    BeforeValidator(_sites),
    WithJsonSchema(
        {
            "anyOf": [
                {"enum": ["default", "last"]},
                {"type": "string"},
                {"type": "array", "items": {"type": "string"}, "minItems": 1},
            ]
        }
    ),
]


CompileMode = Annotated[
    bool | str,
    BeforeValidator(_compile),
    WithJsonSchema({"enum": [True, False, *COMPILE_MODES]}),
]
UnusedWandb = BeforeValidator(_unused_wandb)


class MetricLabels:
    """Marks the mapping from label to metric: a label that is a metric's name needs no type."""

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """The mapping's schema, behind the completion of its entries."""
        return core_schema.no_info_before_validator_function(_complete_metrics, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: Any) -> dict[str, Any]:
        """The schema for editors, from the signatures in the registry."""
        from .json_schema import metrics_schema

        return metrics_schema(METRIC_REGISTRY)


def _complete_metrics(value: Any) -> Any:
    if not isinstance(value, Mapping):
        return value
    if not value:
        hint = "E.g. {psnr: {crop_border: 4}}, or leave 'val' out."
        raise OptionError("names no metric.", hint=hint)
    return {label: _with_type(label, options) for label, options in value.items()}


def _with_type(label: str, options: Any) -> Any:
    options = {} if options is None else options
    if not isinstance(options, Mapping):
        return options
    name = options.get("type", label)
    # BasicSR calls its metrics calculate_psnr and calculate_ssim.
    if isinstance(name, str) and name.removeprefix("calculate_") in METRIC_REGISTRY:
        name = name.removeprefix("calculate_")
    return {**options, "type": name}


def check_folder_name(name: str, key: tuple[str, ...] = ()) -> None:
    """Raise ``OptionError`` unless ``name`` can name a folder on every system."""
    bad = sorted({c for c in name if c in '/\\:*?"<>|' or not c.isprintable()})
    if bad:
        told = " ".join(map(repr, bad))
        raise OptionError(f"names a folder, so it must not contain {told}.", key)
    if not name or name != name.strip() or set(name) == {"."} or len(name.encode()) > 200:
        raise OptionError(f"{shown(name)} cannot be the name of a folder.", key)
