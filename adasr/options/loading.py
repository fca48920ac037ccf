"""Option files: read and written."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from ..errors import OptionError
from ..registry import DATASET_REGISTRY, Registry
from .checks import check_options
from .components import Component, registry_of
from .foreign import Translation, translate
from .schema import DatasetOptions, Options
from .source import Source, read_source
from .yaml_text import dump


def load_options(path: str | Path, overrides: Sequence[str] = ()) -> Options:
    """The options in a YAML file, every one checked; no dataset or weights file is opened.

    Args:
        path: of the YAML.
        overrides: ``KEY=VALUE`` over the file, e.g. ``train.total_iter=100``; the value is YAML.

    Raises:
        OptionsFileError: all that is wrong, one line each: place, key, what, remedy.
    """
    return make_options(*read_source(path, overrides))


def make_options(mapping: dict[str, Any], source: Source) -> Options:
    """The options in a mapping as a YAML file holds it, every one checked.

    Args:
        mapping: keys and values, in our words or those of another project.
        source: knows their places, for messages.

    Raises:
        OptionsFileError: all that is wrong, one line each.
    """
    found = native(mapping, source)
    # With the keys of the file, so before the source learns what ours are called in it.
    refused = [source.error(found.faults)] if found.faults else []
    source = dataclasses.replace(source, origins=found.origins, notes=_notes(found, source.name))
    return check_options(found.options, source, refused)


def native(mapping: dict[str, Any], source: Source) -> Translation:
    """The same options in our own keys: files of other projects are taken as they are."""
    return translate(mapping, {override.key for override in source.overrides})


def _notes(found: Translation, name: str) -> tuple[str, ...]:
    return (f"{name}: {found.report[0]}", *found.report[1:]) if found.report else ()


def dump_options(options: Options) -> str:
    """YAML of the options with all defaults written out, those of the components too.

    Loading it gives options that build the same parts; dumping those gives the same text.
    """
    mapping = _plain_section(options)
    if not options.train.total_iter:
        del mapping["train"]["total_iter"]  # a test's options: no number stands for "none"
    return dump(mapping)


def _plain_section(section: BaseModel) -> dict[str, Any]:
    mapping = {
        name: _plain(getattr(section, name), registry_of(field))
        for name, field in type(section).model_fields.items()
    }
    if isinstance(section, DatasetOptions):
        mapping |= {name: _plain(d, DATASET_REGISTRY) for name, d in section.scored.items()}
    return {k: v for k, v in mapping.items() if v is not None or k == "pixel_opt"}


def _plain(value: Any, registry: Registry | None) -> Any:
    if isinstance(value, Component):
        own = {k: v for k, v in _plain_section(value).items() if k not in ("type", "arguments")}
        return {"type": value.type, **_with_defaults(value, registry), **own}
    if isinstance(value, BaseModel):
        return _plain_section(value)
    if isinstance(value, Mapping):
        return {k: _plain(v, registry) for k, v in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(v, registry) for v in value]
    return str(value) if isinstance(value, Path) else value


def _with_defaults(component: Component, registry: Registry | None) -> dict[str, Any]:
    """The component's arguments, with the defaults that YAML can say of those not given."""
    given = _plain(component.arguments, None)
    if registry is None:
        return given
    known = registry.options(component.type)
    defaults = {k: _plain(o.default, None) for k, o in known.items() if _sayable(o.default)}
    full = {k: given.get(k, defaults.get(k)) for k in known if k in given or k in defaults}
    full |= {k: v for k, v in given.items() if k not in known}
    try:
        _, checked = registry.check({"type": component.type, **full})
    except OptionError:
        return given  # a default that its own annotation refuses
    return _plain(checked, None)


def _sayable(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(map(_sayable, value))
    return isinstance(value, bool | int | float | str)
