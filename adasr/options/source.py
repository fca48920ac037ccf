"""Where options come from: a file and the ``--set`` arguments over it."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from ..errors import OptionError, did_you_mean
from .faults import Fault, OptionsFileError, shown
from .yaml_text import YamlError, line_of, parse

Key = tuple[str | int, ...]


@dataclass(frozen=True)
class Override:
    """One ``--set`` argument.

    Args:
        text: as typed, ``train.total_iter=100``.
        key: ``("train", "total_iter")``.
        value: what YAML reads behind the ``=``.
    """

    text: str
    key: tuple[str, ...]
    value: Any

    @property
    def place(self) -> str:
        """The argument as it stands on the command line."""
        return f"--set {self.text}"


@dataclass(frozen=True)
class Source:
    """Knows the place of every key, for messages.

    Args:
        name: of the file as the user wrote it.
        nodes: of its YAML.
        overrides: over it, in their order.
        origins: keys of ours -> what they are called in the file, where that is another project's.
        notes: lines for a person: how such a file was taken.
    """

    name: str = "options"
    nodes: yaml.Node | None = field(default=None, repr=False, compare=False)
    overrides: tuple[Override, ...] = ()
    origins: Mapping[tuple[str, ...], tuple[str, ...]] = field(
        default_factory=dict, repr=False, compare=False
    )
    notes: tuple[str, ...] = field(default=(), repr=False, compare=False)

    def original(self, key: Key) -> Key:
        """What the file calls one of our keys."""
        for end in range(len(key), 0, -1):
            origin = self.origins.get(tuple(map(str, key[:end])))
            if origin is not None:
                return (*origin, *key[end:])
        return key

    def place(self, key: Key) -> str:
        """``file.yml:12``, or the ``--set`` argument that gave the file's ``key`` its value."""
        parts = tuple(map(str, key))
        line, depth = line_of(self.nodes, key)
        for override in reversed(self.overrides):
            # It set the key or what is around it, or it made a section that the file lacks.
            made = depth < len(key) and override.key[: depth + 1] == parts[: depth + 1]
            if made or parts[: len(override.key)] == override.key:
                return override.place
        return f"{self.name}:{line}" if line is not None else self.name

    def error(self, errors: Iterable[OptionError]) -> OptionsFileError:
        """All ``errors`` as one, in the order of the file, each with its place."""
        faults = [f for e in errors for f in self._faults(e)]
        return OptionsFileError(sorted(faults, key=lambda fault: self._line(fault.error.key)))

    def _faults(self, error: OptionError) -> Sequence[Fault]:
        if isinstance(error, OptionsFileError):
            return error.faults
        key = self.original(error.key)
        named = error if key == error.key else type(error)(error.message, key, error.hint)
        return [Fault(self.place(key), named)]

    def _line(self, key: Key) -> int:
        return line_of(self.nodes, key)[0] or 0


def read_source(path: str | Path, overrides: Sequence[str] = ()) -> tuple[dict[str, Any], Source]:
    """The mapping in a YAML file with the ``--set`` arguments put over it, and its source.

    Raises:
        OptionsFileError: no such file, no YAML, no mapping; an override that is none.
    """
    mapping, source = read_mapping(path)
    return overridden(mapping, source, [parse_override(text) for text in overrides])


def read_mapping(path: str | Path, examples: str = "options/train/") -> tuple[dict, Source]:
    """The mapping in a YAML file, and its source.

    Args:
        path: of the YAML.
        examples: where a person finds such files.

    Raises:
        OptionsFileError: no such file, no YAML, no mapping.
    """
    name, text = str(path), _read(Path(path))
    try:
        value, nodes = parse(text)
    except YamlError as error:
        place = name if error.line is None else f"{name}:{error.line}"
        raise OptionsFileError([Fault(place, error)]) from None
    if value is None:
        raise _file_error(name, "the file is empty.", f"See {examples} for examples.")
    if not isinstance(value, dict):
        kind = "a list" if isinstance(value, list) else shown(value)
        hint = "A key is followed by a colon and a space: 'scale: 4'."
        raise _file_error(f"{name}:1", f"expected keys such as 'name:', got {kind}.", hint)
    # Aliases share one object; a change to one of them must not show in the others.
    return _unshared(value), Source(name, nodes)


def overridden(
    mapping: Mapping[str, Any], source: Source, overrides: Iterable[Override]
) -> tuple[dict[str, Any], Source]:
    """A copy of ``mapping`` with ``overrides`` put over it in their order, and its source.

    Raises:
        OptionsFileError: an override that leads into what is no mapping or list.
    """
    changed, added = _unshared(mapping), tuple(overrides)
    for override in added:
        _put(changed, override)
    return changed, dataclasses.replace(source, overrides=(*source.overrides, *added))


def parse_override(text: str) -> Override:
    """``train.total_iter=1e5`` as key and value; the value is YAML.

    Raises:
        OptionsFileError: no ``=``, an empty key, or a value that is no YAML.
    """
    place = f"--set {text}"
    name, equals, value = text.partition("=")
    parts = tuple(part.strip() for part in name.split("."))
    if not equals or not all(parts):
        hint = "Write KEY=VALUE, e.g. train.total_iter=1000."
        raise _file_error(place, "is no key with a value.", hint)
    try:
        parsed, _ = parse(value)
    except YamlError as error:
        quoted = OptionError(error.message, parts, f"{error.hint} Or put it in quotes.".strip())
        raise OptionsFileError([Fault(place, quoted)]) from None
    return Override(text, parts, parsed)


def _put(mapping: dict[str, Any], override: Override) -> None:
    inside: Any = mapping
    for depth, part in enumerate(override.key):
        last = depth == len(override.key) - 1
        if isinstance(inside, list):
            if not part.isdigit() or int(part) >= len(inside):
                _refuse(override, depth, f"is a list of {len(inside)}, it has no item {part!r}.")
            slot: Any = int(part)
        elif isinstance(inside, dict):
            slot = part
        else:
            _refuse(override, depth, f"is {shown(inside)} and has no options of its own.")
        if last:
            inside[slot] = copy.deepcopy(override.value)
        elif isinstance(inside, dict) and inside.get(slot) is None:
            inside[slot] = {}
        inside = inside[slot]


def _refuse(override: Override, depth: int, message: str) -> None:
    raise OptionsFileError([Fault(override.place, OptionError(message, override.key[:depth]))])


def _unshared(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {k: _unshared(v) for k, v in value.items()}
    return [_unshared(v) for v in value] if isinstance(value, list) else value


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = path.read_bytes()[: error.start].count(b"\n") + 1
        raise _file_error(
            f"{path}:{line}", "is no UTF-8 text.", "Save the file as UTF-8."
        ) from None
    except FileNotFoundError:
        beside = path.parent if path.parent.is_dir() else None
        files = [p.name for p in beside.glob("*.y*ml")] if beside else []
        hint = did_you_mean(path.name, files) if files else ""
        raise _file_error(str(path), "there is no such file.", hint) from None
    except IsADirectoryError:
        raise _file_error(str(path), "is a folder, not a file.", "Name a YAML file.") from None
    except OSError as error:
        raise _file_error(str(path), f"cannot be read ({error.strerror}).", "") from None


def _file_error(place: str, message: str, hint: str) -> OptionsFileError:
    return OptionsFileError([Fault(place, OptionError(message, (), hint))])
