"""Options that take several values: ``-m A B`` as well as ``-m A -m B``."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from typing import Any

from typer.core import TyperCommand


class ManyValues(TyperCommand):
    """A command without positional arguments, each of whose list options takes what follows it.

    Use it as ``@app.command(cls=ManyValues)``. A value that begins with a dash is given as
    ``--option=-value``.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """As Click's, after each further value was given its option's name."""
        lists = {
            name
            for parameter in self.params
            if getattr(parameter, "multiple", False) and not getattr(parameter, "is_flag", False)
            for name in parameter.opts
        }
        return super().parse_args(ctx, list(named(args, lists)))


def named(arguments: Sequence[str], lists: Container[str]) -> Iterator[str]:
    """``arguments`` with the name of the option before each further value of it.

    Args:
        arguments: as typed.
        lists: the names of options that can be repeated.
    """
    current, first = "", False  # the list option that takes values, and whether it has none yet
    for position, argument in enumerate(arguments):
        if argument == "--":
            yield from arguments[position:]
            return
        if len(argument) > 1 and argument.startswith("-"):
            name, equals, _ = argument.partition("=")
            current, first = (name if name in lists else ""), not equals
        elif current and not first:
            yield current
        else:
            first = False
        yield argument
