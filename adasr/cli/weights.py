"""Commands on weights files: ``convert``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from ..errors import OptionError
from .app import app


class Layout(StrEnum):
    """Whose key names ``adasr convert`` writes."""

    BASICSR = "basicsr"
    AUTHORS = "authors"
    MMSR = "mmsr"
    ESRGAN = "esrgan"


@app.command()
def convert(
    source: Annotated[Path, typer.Option("-i", "--input", help="weights of any known kind")],
    target: Annotated[Path, typer.Option("-o", "--output", help=".safetensors or .pth file")],
    layout: Annotated[
        Layout, typer.Option(help="whose key names: basicsr's are adasr's and Real-ESRGAN's too")
    ] = Layout.BASICSR,
    arch: Annotated[
        str | None,
        typer.Option(help="the network, where it is not recognized, e.g. '{type: EDSR, ...}'"),
    ] = None,
    key: Annotated[
        str | None,
        typer.Option(help="which weights of a .pth file: params or params_ema (the default)"),
    ] = None,
) -> None:
    """Convert weights: to .safetensors for adasr, to .pth for BasicSR, Real-ESRGAN, chaiNNer."""
    from ..options.yaml_text import parse
    from ..weights import convert as convert_weights

    try:
        options = None if arch is None else parse(arch)[0]
    except OptionError as error:
        raise error.under("arch") from None
    typer.echo(convert_weights(source, target, layout.value, options, key))
