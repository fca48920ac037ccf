"""``adasr analyze``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..errors import OptionError
from .app import app
from .many import ManyValues


@app.command(cls=ManyValues)
def analyze(
    models: Annotated[
        list[str],
        typer.Option(
            "-m",
            "--model",
            metavar="FILE...",
            help="weights, of one scale; NAME=FILE names them",
        ),
    ],
    data: Annotated[
        list[Path], typer.Option("--data", metavar="DIR...", help="folders of HR images")
    ],
    target: Annotated[Path, typer.Option("-o", "--output", help="folder")] = Path("analysis"),
    only: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME...",
            help="inconsistency, saliency, representations, similarity, zeroing; all by default",
        ),
    ] = None,
    recipes: Annotated[
        list[str] | None,
        typer.Option(
            "-r",
            "--recipes",
            metavar="NAME...",
            help="test degradations or groups; the papers' eight by default",
        ),
    ] = None,
    sites: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME...",
            help="module names or patterns to look at; the network's own by default",
        ),
    ] = None,
    regularizer: Annotated[
        str | None,
        typer.Option(
            help="study this one instead of the training's, e.g. '{type: AdaptiveDropout, p: 0.5}'"
        ),
    ] = None,
    crops: Annotated[int, typer.Option(min=1, help="how many pieces of images")] = 32,
    crop_size: Annotated[int, typer.Option(min=8, help="side of a piece in LR pixels")] = 32,
    draws: Annotated[int, typer.Option(min=2, help="dropout masks for each piece")] = 16,
    seed: Annotated[int, typer.Option(min=0, help="of pieces, masks and t-SNE")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps")] = "auto",
) -> int:
    """Draw and tell what the features of networks do, several networks side by side.

    Writes analysis.md (figures with what to read from them), analysis.json (all numbers) and a
    .png and .svg for each diagnostic.
    """
    from ..analysis.run import run_analysis
    from ..evaluation.benchmark.command import model_file
    from ..options.yaml_text import parse

    options = None
    if regularizer is not None:
        try:
            options = parse(regularizer)[0]
        except OptionError as error:
            raise error.under("--regularizer") from None
        if not isinstance(options, dict):
            hint = "Write e.g. --regularizer '{type: AdaptiveDropout, p: 0.5, weight: 0.3}'."
            raise OptionError(f"expected a mapping, got {options!r}.", ("--regularizer",), hint)
    done = run_analysis(
        [model_file(text) for text in models],
        data,
        target,
        recipes or ["standard"],
        only=only,
        sites=sites,
        regularizer=options,
        count=crops,
        side=crop_size,
        draws=draws,
        seed=seed,
        device=device,
        tell=typer.echo,
    )
    return 0 if done else 1
