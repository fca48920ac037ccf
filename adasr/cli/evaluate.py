"""Commands that measure: ``test`` and ``benchmark``."""

from __future__ import annotations

import shlex
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from .app import OptionsFile, Overrides, app, read_options
from .many import ManyValues


class ScorePrecision(StrEnum):
    """What a network that is scored computes in."""

    FP32 = "fp32"
    BF16 = "bf16"
    FP16 = "fp16"


@app.command()
def test(opt: OptionsFile, overrides: Overrides = None) -> int:
    """Score a network on the datasets and metrics of an option YAML."""
    from ..evaluation.run import run_test

    return 0 if run_test(read_options(opt, overrides), typer.echo) else 1


@app.command(cls=ManyValues)
def benchmark(
    models: Annotated[
        list[str],
        typer.Option("-m", "--model", metavar="FILE...", help="weights; NAME=FILE names them"),
    ],
    data: Annotated[
        list[Path] | None,
        typer.Option("--data", metavar="DIR...", help="folders of GT images, to be degraded"),
    ] = None,
    pairs: Annotated[
        list[Path] | None,
        typer.Option("--pairs", metavar="LQ GT...", help="folders of LQ images and their GT"),
    ] = None,
    real: Annotated[
        list[Path] | None,
        typer.Option("--real", metavar="DIR...", help="folders of images without ground truth"),
    ] = None,
    recipes: Annotated[
        list[str] | None,
        typer.Option(
            "-r",
            "--recipes",
            "--recipe",
            metavar="NAME...",
            help="degradations: names, families, standard (the papers' eight), heldout, all [all]",
            show_default=False,
        ),
    ] = None,
    metrics: Annotated[
        list[str] | None,
        typer.Option(
            "--metrics",
            metavar="NAME...",
            help="e.g. psnr psnr_y ssim lpips:net=vgg niqe [psnr ssim lpips; --real: "
            "niqe musiq clipiqa]",
            show_default=False,
        ),
    ] = None,
    target: Annotated[
        Path, typer.Option("-o", "--output", help="folder; what it holds is not scored again")
    ] = Path("benchmark"),
    groups: Annotated[
        list[str] | None,
        typer.Option(
            "--group",
            metavar="NAME=PATTERN...",
            help="models that are seeds of one configuration; by the weights' options by default",
        ),
    ] = None,
    trained_on: Annotated[
        list[str] | None,
        typer.Option(
            "--trained-on",
            metavar="FAMILY...",
            help="degradations that networks were trained on whose files don't say [Real-ESRGAN's]",
            show_default=False,
        ),
    ] = None,
    crop_border: Annotated[
        int | None,
        typer.Option(min=0, help="pixels left out on every side [the scale]", show_default=False),
    ] = None,
    pictures: Annotated[int, typer.Option(min=0, help="images shown in the report")] = 12,
    save_images: Annotated[
        bool, typer.Option("--save-images", help="keep what the networks made in OUTPUT/images")
    ] = False,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="score again what OUTPUT holds already")
    ] = False,
    precision: Annotated[
        ScorePrecision, typer.Option(help="what the networks compute in")
    ] = ScorePrecision.FP32,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps")] = "auto",
    workers: Annotated[
        int | None,
        typer.Option("-j", "--workers", min=1, help="threads that read images", show_default=False),
    ] = None,
    cache: Annotated[
        Path | None,
        typer.Option(help="folder of degraded test sets [~/.cache/adasr]", show_default=False),
    ] = None,
) -> int:
    """Compare networks, and bicubic interpolation, on degradations seen and unseen in training.

    Writes OUTPUT/results.json, scores.csv, results.md and report.html. Exit codes: 0 all scored; 1
    some images failed or a metric was not to be had; 2 wrong options; 130 and 143 stopped.
    """
    from ..evaluation.benchmark import Settings, Sources
    from ..evaluation.benchmark.command import named_patterns, run_command
    from ..evaluation.benchmark.recipes import check_families

    if len(pairs or ()) % 2:
        raise typer.BadParameter("give folders in twos: LQ GT.", param_hint="--pairs")
    folders = list(pairs or ())
    settings = Settings(
        crop_border=crop_border,
        device=device,
        precision=precision.value,
        workers=workers,
        cache=cache,
        fresh=fresh,
        save_images=save_images,
        trained_on=None if trained_on is None else check_families(trained_on),
        groups=named_patterns(groups or ()),
        command=shlex.join(["adasr", *sys.argv[1:]]),
    )
    sources = Sources(data or (), list(zip(folders[::2], folders[1::2], strict=True)), real or ())
    return run_command(models, sources, recipes or ["all"], metrics, target, pictures, settings)
