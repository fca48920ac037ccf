"""Values read as a person means them, and what is no YAML is told with its line."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from adasr.options.yaml_text import YamlError, dump, line_of, parse

PRINTABLE = st.text(st.characters(min_codepoint=32, max_codepoint=0x2FF, exclude_categories=["C"]))
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), PRINTABLE, st.just("1e5")
)
VALUES = st.recursive(
    SCALARS, lambda v: st.lists(v, max_size=4) | st.dictionaries(PRINTABLE, v, max_size=4)
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-4", 1e-4),
        ("!!float 1e-4", 1e-4),
        ("2.0e-4", 2e-4),
        ("-1E+3", -1000),
        ("2e5", 200000),
        ("5.0e5", 500000),
        ("!!float 2", 2.0),
        ("1e-0", 1),
        (".5", 0.5),
        ("5.", 5.0),
        ("500_000", 500000),
        ("010", 10),
        ("0x10", 16),
        ("0o10", 8),
        ("1:30", "1:30"),
        ("2024-01-01", "2024-01-01"),
        ("1.2.3", "1.2.3"),
        ("1e", "1e"),
        ("x4", "x4"),
        ("~", None),
        ("", None),
        ("null", None),
        ("true", True),
        ("yes", True),
        ("none", "none"),
        ("'1e-4'", "1e-4"),
        ("Bäume/日本", "Bäume/日本"),
        (".inf", math.inf),
    ],
)
def test_a_value_is_what_a_person_means(text: str, value: Any) -> None:
    found = parse(text)[0]
    assert found == value
    assert type(found) is type(value)


@given(VALUES)
@settings(max_examples=100, deadline=None)
def test_json_is_yaml(value: Any) -> None:
    text = json.dumps(value, ensure_ascii=False)
    if "Infinity" not in text:
        assert parse(text)[0] == value


@given(VALUES)
@settings(max_examples=100, deadline=None)
def test_what_is_written_is_read_back(value: Any) -> None:
    found = parse(dump(value))[0]
    assert found == value
    assert json.dumps(found) == json.dumps(value)  # 1.0 stays a float, "1" a text


@given(VALUES)
@settings(max_examples=50, deadline=None)
def test_other_programs_read_the_same_texts_and_keys(value: Any) -> None:
    """PyYAML takes some of the plain texts for numbers or dates, but the shape is the same."""
    ours, theirs = parse(dump(value))[0], yaml.safe_load(dump(value))
    assert type(ours) is type(theirs) or not isinstance(ours, dict | list)


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("a: 1\nb: 2\na: 3\n", 3, "a: stands twice, first in line 1."),
        ("a:\n  b: 1\n  c: 1\n  b: 2\n", 4, "a.b: stands twice, first in line 2."),
        ("a:\n\tb: 1\n", 2, "a tab stands here. YAML is indented with spaces."),
        ("a: 1\n b: 2\n", 2, "indentation"),
        ("a: 1\nb 2\nc: 3\n", 2, "A key is followed by a colon and a space"),
        ("a: [1, 2\nb: 3\n", 2, "bracket"),
        ("a: 'x\nb: 3\n", 3, "quote"),
        ("a: 1\n---\nb: 2\n", 2, "one set of options"),
        ("a: !!python/object:os.system x\n", 1, "Only plain values are read."),
        ("a: &x\n  b: *x\n", 1, "contains itself"),
        ("a: *unknown\n", 1, "unknown"),
        ("a: 1\n3: 2\n", 2, "a key must be text, not '3'. Put it in quotes."),
        ("a: 1\n~: 2\n", 2, "a key must be text"),
        ("a: 1\nb: \x07\n", 2, "character '\\x07'"),
        ("a: !!int x\n", 1, "'x' is no whole number."),
        ("a: !!float x\n", 1, "'x' is no number."),
        ("a: : b\n", 1, "is no YAML"),
    ],
)
def test_a_fault_is_told_with_its_line(text: str, line: int, words: str) -> None:
    with pytest.raises(YamlError) as caught:
        parse(text)
    assert words in str(caught.value)
    assert caught.value.line == line


def test_merged_mappings_are_no_duplicates_and_keep_their_lines() -> None:
    value, nodes = parse("base: &b\n  x: 1\n  y: 2\nmine:\n  <<: *b\n  y: 3\n")
    assert value["mine"] == {"x": 1, "y": 3}
    assert line_of(nodes, ("mine", "y")) == (6, 2)
    assert line_of(nodes, ("mine", "x")) == (2, 2)


def test_deep_nesting_is_told_and_does_not_crash() -> None:
    with pytest.raises(YamlError):
        parse("[" * 5000 + "]" * 5000)


def test_lines_of_items_and_of_the_nearest_part() -> None:
    _, nodes = parse("a:\n  b:\n    - 1\n    - 2\n")
    assert line_of(nodes, ("a", "b", 1)) == (4, 3)
    assert line_of(nodes, ("a", "missing", "x")) == (1, 1)
    assert line_of(nodes, ("missing",)) == (None, 0)
