"""YAML as a person means it: ``1e-4`` is a number, 010 is ten, a key stands once, lines are known.

PyYAML follows YAML 1.1, where ``1e-4`` is a text, ``010`` is eight, ``1:30`` is ninety and
``2024-01-01`` is a date. Loader and dumper here share the rules of YAML 1.2's core schema instead
(``yes no on off`` stay booleans, as BasicSR's users know them).
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from typing import Any

import yaml

from ..errors import OptionError
from .faults import shown

_INT = re.compile(r"[-+]?[0-9][0-9_]*|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(
    r"[-+]?(?:\.[0-9]+|[0-9][0-9_]*(?:\.[0-9_]*)?)(?:[eE][-+]?[0-9]+)?"
    r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
)
_REPLACED = ("int", "float", "timestamp")
_RULES = [
    ("tag:yaml.org,2002:int", re.compile(f"(?:{_INT.pattern})$"), "-+0123456789"),
    ("tag:yaml.org,2002:float", re.compile(f"(?:{_FLOAT.pattern})$"), "-+.0123456789"),
]


def _resolvers(inherited: dict[str, list]) -> dict[str, list]:
    dropped = {f"tag:yaml.org,2002:{name}" for name in _REPLACED}
    rules = {c: [r for r in held if r[0] not in dropped] for c, held in inherited.items()}
    for tag, pattern, characters in _RULES:
        for character in characters:
            rules.setdefault(character, []).append((tag, pattern))
    return rules


class YamlError(OptionError):
    """A text that is no YAML or says something twice; ``line`` is 1-based, None when unknown."""

    def __init__(
        self,
        message: str,
        key: tuple[str | int, ...] = (),
        hint: str = "",
        line: int | None = None,
    ) -> None:
        super().__init__(message, key, hint)
        self.line = line


class OptionLoader(yaml.SafeLoader):
    """Reads plain values only, by the rules above."""

    yaml_implicit_resolvers = _resolvers(yaml.SafeLoader.yaml_implicit_resolvers)

    def read_int(self, node: yaml.ScalarNode) -> int:
        """Decimal unless it starts with 0x or 0o."""
        text = self.construct_scalar(node).replace("_", "")
        try:
            return int(text, 0 if text[:2].lower() in ("0x", "0o") else 10)
        except ValueError:
            raise YamlError(
                f"{shown(node.value)} is no whole number.", line=_line(node.start_mark)
            ) from None

    def read_float(self, node: yaml.ScalarNode) -> float | int:
        """A number; one such as ``2e5`` is whole, so it also serves where a count is wanted."""
        text = self.construct_scalar(node).replace("_", "").lower()
        try:
            number = float(text.replace(".inf", "inf").replace(".nan", "nan"))
        except ValueError:
            raise YamlError(
                f"{shown(node.value)} is no number.", line=_line(node.start_mark)
            ) from None
        # Beyond 2**53 a float's digits would be made up.
        whole = "e" in text and number.is_integer() and abs(number) < 2**53
        return int(number) if whole else number


class OptionDumper(yaml.SafeDumper):
    """Writes what ``OptionLoader`` reads; sequences of plain values stay on one line."""

    yaml_implicit_resolvers = _resolvers(yaml.SafeDumper.yaml_implicit_resolvers)

    def ignore_aliases(self, data: Any) -> bool:
        """No anchors: every section can be read alone."""
        return True

    def write_list(self, values: list[Any] | tuple[Any, ...]) -> yaml.Node:
        """``[1, 2]`` for plain values, a block otherwise."""
        plain = not any(isinstance(v, dict | list | tuple) for v in values)
        return self.represent_sequence("tag:yaml.org,2002:seq", values, flow_style=plain)


OptionLoader.add_constructor("tag:yaml.org,2002:int", OptionLoader.read_int)
OptionLoader.add_constructor("tag:yaml.org,2002:float", OptionLoader.read_float)
OptionDumper.add_representer(list, OptionDumper.write_list)
OptionDumper.add_representer(tuple, OptionDumper.write_list)


def parse(text: str) -> tuple[Any, yaml.Node | None]:
    """The value of a YAML text, and its nodes, which know their lines.

    Raises:
        YamlError: no YAML, several documents, a key that stands twice or is no text, an unknown
            tag, an anchor inside itself.
    """
    try:
        loader = OptionLoader(text)
    except yaml.reader.ReaderError as error:
        raise _unreadable(text, error) from None
    try:
        node = loader.get_single_node()
        if node is None:
            return None, None
        _check_keys(node)
        return loader.construct_document(node), node
    except yaml.MarkedYAMLError as error:
        raise _explained(text, error) from None
    except RecursionError:
        raise YamlError("is nested too deeply.", line=1) from None
    finally:
        loader.dispose()


def dump(value: Any) -> str:
    """``value`` as YAML, keys in their order."""
    return yaml.dump(value, Dumper=OptionDumper, sort_keys=False, allow_unicode=True, width=100)


def line_of(node: yaml.Node | None, key: tuple[str | int, ...]) -> tuple[int | None, int]:
    """The 1-based line of ``key`` or of the innermost part of it that is there; how many parts."""
    line, depth = None, 0
    for part in key:
        entry = _entry(node, part)
        if entry is None:
            break
        shows, node = entry
        line, depth = _line(shows.start_mark), depth + 1
    return line, depth


def node_of(node: yaml.Node | None, key: str) -> yaml.Node | None:
    """The node of the value that stands behind ``key`` of a mapping."""
    entry = _entry(node, key)
    return None if entry is None else entry[1]


def _entry(node: yaml.Node | None, part: str | int) -> tuple[yaml.Node, yaml.Node] | None:
    """The node that shows where ``part`` is (a key or an item), and the node of its value."""
    if isinstance(node, yaml.MappingNode):
        # Merged mappings (<<) come first in the constructed node; the last one counts.
        for name, value in reversed(node.value):
            if name.value == str(part):
                return name, value
    elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part], node.value[part]
    return None


def _check_keys(root: yaml.Node) -> None:
    """Refuse keys that stand twice or are no text, and anchors that contain themselves."""
    done: set[int] = set()

    def visit(node: yaml.Node, key: tuple[str | int, ...], above: frozenset[int]) -> None:
        if id(node) in above:
            message = "contains itself through its anchor."
            raise YamlError(message, key, "Write it out.", _line(node.start_mark))
        if id(node) in done:
            return
        above = above | {id(node)}
        if isinstance(node, yaml.SequenceNode):
            for index, item in enumerate(node.value):
                visit(item, (*key, index), above)
        elif isinstance(node, yaml.MappingNode):
            lines: dict[Hashable, int] = {}
            for name, value in node.value:
                _check_key(name, key, lines)
                visit(value, (*key, str(name.value)), above)
        done.add(id(node))

    visit(root, (), frozenset())


def _check_key(name: yaml.Node, key: tuple[str | int, ...], lines: dict[Hashable, int]) -> None:
    line = _line(name.start_mark)
    if name.tag == "tag:yaml.org,2002:merge":
        return
    if name.tag != "tag:yaml.org,2002:str":
        told = shown(name.value) if isinstance(name, yaml.ScalarNode) else "a list or mapping"
        hint = "Put it in quotes." if isinstance(name, yaml.ScalarNode) else ""
        raise YamlError(f"a key must be text, not {told}.", key, hint, line)
    if name.value in lines:
        message = f"stands twice, first in line {lines[name.value]}."
        raise YamlError(message, (*key, name.value), "Remove one of the two.", line)
    lines[name.value] = line


def _line(mark: yaml.Mark | None) -> int:
    return mark.line + 1 if mark is not None else 1


def _unreadable(text: str, error: yaml.reader.ReaderError) -> YamlError:
    line = text.count("\n", 0, error.position) + 1
    character = text[error.position : error.position + 1]
    return YamlError(
        f"holds the character {character!r}, which is no text.",
        line=line,
        hint="Remove it.",
    )


_HINTS = {
    "mapping values are not allowed": "Look at the indentation here and above; a text with ': ' "
    "in it needs quotes.",
    "could not find expected ':'": "A key is followed by a colon and a space: 'scale: 4'.",
    "expected <block end>": "Keys of one section start in the same column.",
    "expected ',' or ']'": "Is a bracket or comma missing here or above?",
    "expected ',' or '}'": "Is a brace or comma missing here or above?",
    "unexpected end of stream": "Is a closing quote missing?",
    "but found another document": "One file holds one set of options; remove the '---'.",
    "could not determine a constructor": "Only plain values are read.",
    "expected the node content": "Is a bracket or brace never closed, or never opened?",
}


def _explained(text: str, error: yaml.MarkedYAMLError) -> YamlError:
    mark = error.problem_mark or error.context_mark
    if "could not find expected ':'" in (error.problem or ""):
        mark = error.context_mark  # there the key starts; the problem is seen a line later
    line = _line(mark)
    lines = text.splitlines()
    content = lines[line - 1] if line <= len(lines) else ""
    problem = error.problem or "is no YAML"
    if "\\t" in problem or "\t" in content[: len(content) - len(content.lstrip())]:
        return YamlError("a tab stands here.", hint="YAML is indented with spaces.", line=line)
    told = " ".join(filter(None, [error.context, problem]))
    hint = next((h for start, h in _HINTS.items() if start in told), "")
    return YamlError(f"is no YAML: {told}.", hint=hint, line=line)
