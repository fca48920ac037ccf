"""Options that take several values."""

from __future__ import annotations

import pytest

from adasr.cli.many import named

LISTS = {"-m", "--model", "--data"}


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("-m a b --data x y -o out", "-m a -m b --data x --data y -o out"),
        ("-m a -m b", "-m a -m b"),
        ("-m a --flag b", "-m a --flag b"),
        ("--data=x y -o out", "--data=x --data y -o out"),
        ("-o out -m a b c", "-o out -m a -m b -m c"),
        ("-m a -- b", "-m a -- b"),
        ("--data - x", "--data - --data x"),
        ("", ""),
    ],
)
def test_further_values_belong_to_the_option_before_them(typed: str, meant: str) -> None:
    assert list(named(typed.split(), LISTS)) == meant.split()
