"""Commands on weights files: ``convert``, ``info`` and ``export``."""

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


@app.command()
def info(
    weights: Annotated[Path, typer.Argument(help="weights of any known kind, or an ONNX file")],
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON object")] = False,
    key: Annotated[
        str | None,
        typer.Option(help="which weights of a .pth file: params or params_ema (the default)"),
    ] = None,
) -> None:
    """Tell what a weights file holds: network, scale, size, training, receptive field."""
    from ..inference.info import describe_weights

    found = describe_weights(weights, key)
    typer.echo(found.as_json() if as_json else str(found))


@app.command()
def export(
    weights: Annotated[Path, typer.Option("-m", "--model", help="weights of any known kind")],
    target: Annotated[Path, typer.Option("-o", "--output", help=".onnx file")],
    fp16: Annotated[
        bool, typer.Option("--fp16", help="weights and computation in fp16; half the size")
    ] = False,
    opset: Annotated[int, typer.Option(help="version of ONNX's operators, 14 to 20")] = 17,
    check: Annotated[
        bool, typer.Option("--check/--no-check", help="compare with PyTorch on several sizes")
    ] = True,
    key: Annotated[
        str | None,
        typer.Option(help="which weights of a .pth file: params or params_ema (the default)"),
    ] = None,
) -> None:
    """Write a network as an ONNX file with free height, width and batch (extra 'onnx')."""
    from ..integrations.onnx import export_onnx

    typer.echo(str(export_onnx(weights, target, fp16, opset, check, key)))
