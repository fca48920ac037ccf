"""Commands that measure: ``test``."""

from __future__ import annotations

import typer

from .app import OptionsFile, Overrides, app, read_options


@app.command()
def test(opt: OptionsFile, overrides: Overrides = None) -> int:
    """Score a network on the datasets and metrics of an option YAML."""
    from ..evaluation.run import run_test

    return 0 if run_test(read_options(opt, overrides), typer.echo) else 1
