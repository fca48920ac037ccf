"""``adasr infer``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from .app import app


class Precision(StrEnum):
    """What a network computes in."""

    AUTO = "auto"
    FP32 = "fp32"
    BF16 = "bf16"
    FP16 = "fp16"


@app.command()
def infer(
    source: Annotated[Path, typer.Option("-i", "--input", help="image file or folder")],
    weights: Annotated[Path, typer.Option("-m", "--model", help="weights (.safetensors, .pth)")],
    target: Annotated[Path, typer.Option("-o", "--output", help="folder")] = Path("results"),
    suffix: Annotated[str, typer.Option(help="added to the names of the files")] = "",
    ext: Annotated[
        str | None, typer.Option(help="file format, e.g. png; the input's by default")
    ] = None,
    tile: Annotated[
        str, typer.Option(help="side of a tile in input pixels; auto, or 0 for none")
    ] = "auto",
    precision: Annotated[Precision, typer.Option(help="what to compute in")] = Precision.AUTO,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps")] = "auto",
    skip_existing: Annotated[
        bool, typer.Option("--skip-existing", help="leave results that are there as they are")
    ] = False,
    shard: Annotated[
        str | None, typer.Option(metavar="I/N", help="part of the images, e.g. 1/4 to 4/4")
    ] = None,
) -> int:
    """Upscale an image file or a folder of images."""
    from ..inference.command import infer_folder

    return infer_folder(
        source, target, weights, suffix, ext, tile, precision.value, device, skip_existing, shard
    )
