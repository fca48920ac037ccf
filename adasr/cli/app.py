"""The command line itself, and what commands share."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ..options import Options


app = typer.Typer(
    name="adasr",
    help="Generalizable blind super-resolution and image restoration.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


OptionsFile = Annotated[Path, typer.Option("-opt", "--opt", help="option YAML", show_default=False)]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="override, e.g. train.total_iter=100"),
]


def read_options(opt: Path, overrides: Sequence[str] | None) -> Options:
    """The checked options; how a file of another project was taken is told by one process."""
    from ..options import load_options

    options = load_options(opt, overrides or ())
    if os.environ.get("RANK", "0") == "0":
        for line in options.source.notes:
            typer.echo(line)
    return options
