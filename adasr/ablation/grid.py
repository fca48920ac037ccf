"""From named variants and a grid of axes to configurations, each with a name one can read."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import OptionError
from ..options import Options
from ..options.fields import check_folder_name
from ..options.source import Override

Key = tuple[str, ...]

FIXED = {
    ("name",): "every run is named after its variant and seed",
    ("manual_seed",): "it comes from 'seeds'",
    ("path", "experiments_root"): "all runs stand in one folder",
    ("path", "resume_state"): "every run goes on from its own state",
}
"""Options that no variant may change, and why."""


@dataclass(frozen=True)
class Change(Override):
    """One option of the base that a run changes; ``origin`` is where the ablation says so."""

    origin: str = ""

    @property
    def place(self) -> str:
        """The line of the ablation's file."""
        return self.origin


@dataclass(frozen=True)
class Variant:
    """One configuration.

    Attributes:
        name: also the beginning of its runs' folder names.
        changes: of the base.
        settings: axis to its value's name, for tables; empty for a named variant.
    """

    name: str
    changes: tuple[Change, ...]
    settings: Mapping[str, str]


Where = Callable[[Key], str]
"""A key of the ablation's file -> ``file.yml:12``."""


def expand(
    variants: Mapping[str, Mapping[str, Any] | None],
    grid: Mapping[str, list[Any] | Mapping[str, Any]],
    where: Where,
) -> list[Variant]:
    """The named variants, then every combination of the grid's axes, the last axis fastest.

    Without both there is one variant, the base itself.

    Raises:
        OptionError: an empty axis, a value that needs a name, a name twice, a change of what an
            ablation decides itself.
    """
    found = [
        Variant(name, tuple(changes_of(mapping or {}, ("variants", name), where)), {})
        for name, mapping in variants.items()
    ]
    axes = [_axis(name, values, _short(name, grid), where) for name, values in grid.items()]
    if axes:
        for point in itertools.product(*axes):
            found.append(_combined(point))
    found = found or [Variant("base", (), {})]
    _check_names(found)
    return found


def changes_of(mapping: Mapping[str, Any], place: Key, where: Where) -> Iterator[Change]:
    """The single changes in a mapping of dotted or nested option keys.

    A mapping is gone into and merged with what the base has there; one with a ``type`` replaces it
    as a whole, since the options of another type would not fit.

    Raises:
        OptionError: a key that an ablation decides itself.
    """
    for key, value in _leaves(mapping, (), place):
        _check_key(key.option, key.written)
        yield _change(key.option, value, where(key.written))


@dataclass(frozen=True)
class _Leaf:
    option: Key
    written: Key


def _leaves(mapping: Mapping[str, Any], above: Key, place: Key) -> Iterator[tuple[_Leaf, Any]]:
    for name, value in mapping.items():
        option, written = (*above, *_parts(name, place)), (*place, name)
        if isinstance(value, Mapping) and value and "type" not in value:
            yield from _leaves(value, option, written)
        else:
            yield _Leaf(option, written), value


def _parts(name: str, place: Key) -> Key:
    parts = tuple(part.strip() for part in name.split("."))
    if not all(parts):
        raise OptionError("is no option key.", (*place, name), "Write e.g. regularizer.p.")
    return parts


def _check_key(option: Key, written: Key) -> None:
    for fixed, why in FIXED.items():
        if option[: len(fixed)] == fixed and written[0] in ("variants", "grid"):
            raise OptionError(f"{why}; it cannot be changed here.", written)


def _change(option: Key, value: Any, place: str) -> Change:
    text = f"{'.'.join(option)}={value}"
    return Change(text, option, value, place)


@dataclass(frozen=True)
class _Point:
    """A value of an axis."""

    axis: str
    label: str
    changes: tuple[Change, ...]


def _axis(
    name: str, values: list[Any] | Mapping[str, Any], short: str, where: Where
) -> list[_Point]:
    place = ("grid", name)
    if not values:
        raise OptionError("has no values.", place, "Give some, or leave the axis out.")
    is_key = "." in name or name in Options.model_fields
    if is_key:
        option = _parts(name, ("grid",))
        _check_key(option, place)
        named = values.items() if isinstance(values, Mapping) else _named(values, short, place)
        return [
            _Point(name, label, (_change(option, value, where(place)),)) for label, value in named
        ]
    points = []
    if not isinstance(values, Mapping):
        raise OptionError(
            "is no option key, so each of its values needs a name and changes.",
            place,
            "Write {NAME: {regularizer.p: 0.5}, ...}, or an option key such as regularizer.p.",
        )
    for label, changes in values.items():
        if changes is not None and not isinstance(changes, Mapping):
            raise OptionError(
                f"expected a mapping of option keys to values, got {changes!r}.", (*place, label)
            )
        made = changes_of(changes or {}, (*place, label), where)
        points.append(_Point(name, label, tuple(made)))
    return points


def _named(values: Iterable[Any], short: str, place: Key) -> Iterator[tuple[str, Any]]:
    for value in values:
        yield _label(value, short, place), value


def _label(value: Any, short: str, place: Key) -> str:
    """How a value of an axis is called in the names of runs."""
    if value is None:
        return f"{short}-none"
    if isinstance(value, bool):
        return f"{short}-{str(value).lower()}"
    if isinstance(value, int | float):
        return f"{short}{value!r}"
    if isinstance(value, str):
        return re.sub(r"[^\w.+-]+", "-", value).strip("-.") or short
    raise OptionError(
        "a list or mapping as a value needs a name.",
        place,
        "Write {NAME: value, ...} in place of [value, ...].",
    )


def _short(name: str, grid: Mapping[str, Any]) -> str:
    """The last part of an option key; all of it where two axes share that part."""
    last = name.rpartition(".")[2]
    return name if sum(other.rpartition(".")[2] == last for other in grid) > 1 else last


def _combined(points: tuple[_Point, ...]) -> Variant:
    name = "_".join(point.label for point in points)
    changes = tuple(change for point in points for change in point.changes)
    return Variant(name, changes, {point.axis: point.label for point in points})


def _check_names(variants: Iterable[Variant]) -> None:
    seen: dict[str, str] = {}
    for variant in variants:
        place = ("grid",) if variant.settings else ("variants",)
        check_folder_name(variant.name, place)
        if variant.name.lower() in seen:
            raise OptionError(
                f"two configurations are called '{variant.name}' (case does not count).",
                place,
                "Give one another name.",
            )
        seen[variant.name.lower()] = variant.name
