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


class Runner(StrEnum):
    """What runs a network."""

    TORCH = "torch"
    ONNXRUNTIME = "onnxruntime"


@app.command()
def infer(
    source: Annotated[Path, typer.Option("-i", "--input", help="image file or folder")],
    weights: Annotated[
        Path, typer.Option("-m", "--model", help="weights (.safetensors, .pth) or .onnx")
    ],
    target: Annotated[Path, typer.Option("-o", "--output", help="folder")] = Path("results"),
    scale: Annotated[
        float | None,
        typer.Option("-s", "--scale", help="of the results, e.g. 2.5; the network's by default"),
    ] = None,
    suffix: Annotated[str, typer.Option(help="added to the names of the files")] = "",
    ext: Annotated[
        str | None, typer.Option(help="file format, e.g. png; the input's by default")
    ] = None,
    quality: Annotated[
        int | None, typer.Option(help="1 to 100 of JPEG (95), AVIF, HEIC (90), WebP (lossless)")
    ] = None,
    strip_metadata: Annotated[
        bool, typer.Option("--strip-metadata", help="drop EXIF, ICC profile, XMP, resolution")
    ] = False,
    max_pixels: Annotated[
        int | None, typer.Option(help="refuse larger images; 0 for none, 2^30 by default")
    ] = None,
    skip_existing: Annotated[
        bool, typer.Option("--skip-existing", help="leave results that are there as they are")
    ] = False,
    shard: Annotated[
        str | None, typer.Option(metavar="I/N", help="part of the images, e.g. 1/4 to 4/4")
    ] = None,
    tile: Annotated[
        str, typer.Option(help="side of a tile in input pixels; auto, or 0 for none")
    ] = "auto",
    precision: Annotated[Precision, typer.Option(help="what to compute in")] = Precision.AUTO,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps")] = "auto",
    backend: Annotated[
        Runner | None, typer.Option(help="what runs the network; by the file's kind by default")
    ] = None,
    compile: Annotated[
        bool,
        typer.Option("--compile", help="a minute first, then faster where compiling pays"),
    ] = False,
    self_ensemble: Annotated[
        bool, typer.Option("--self-ensemble", help="average over 8 flips and turns: 8 x as slow")
    ] = False,
    uncertainty: Annotated[
        bool,
        typer.Option("--uncertainty", help="also write NAME_uncertainty.png: where it guesses"),
    ] = False,
    passes: Annotated[int, typer.Option(help="through the network, for --uncertainty")] = 16,
    dropout: Annotated[
        float | None,
        typer.Option(help="drop probability for --uncertainty; the training's by default"),
    ] = None,
) -> int:
    """Upscale an image file or a folder of images.

    Exit codes: 0 all done; 1 some images failed (failures.json names them) or the disk is full; 2
    wrong options or nothing to do; 130 and 143 stopped by Ctrl-C or SIGTERM.
    """
    from ..inference.command import Network, infer_folder

    network = Network(
        weights=weights,
        scale=scale,
        tile=tile,
        precision=precision.value,
        device=device,
        backend=None if backend is None else backend.value,
        compile=compile,
        self_ensemble=self_ensemble,
        uncertainty=uncertainty,
        passes=passes,
        dropout=dropout,
    )
    return infer_folder(
        network,
        source,
        target,
        suffix=suffix,
        ext=ext,
        quality=quality,
        strip_metadata=strip_metadata,
        max_pixels=max_pixels,
        skip_existing=skip_existing,
        shard=shard,
    )
