"""Commands that make data sets: ``degrade`` and ``prepare``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .app import Overrides, app, read_options

prepare = typer.Typer(help="Prepare datasets.", no_args_is_help=True)
app.add_typer(prepare, name="prepare")


@app.command()
def degrade(
    target: Annotated[
        Path, typer.Option("-o", "--output", help="folder for LR images; PNG file of the preview")
    ],
    source: Annotated[
        Path | None, typer.Option("-i", "--input", help="folder of HR images", show_default=False)
    ] = None,
    recipe: Annotated[
        list[str] | None,
        typer.Option(
            "-r",
            "--recipe",
            help="recipe or group: standard (the papers' eight), heldout, mixed, resize, all, or a "
            "family such as motion-blur; may be repeated",
        ),
    ] = None,
    scale: Annotated[int, typer.Option("-s", "--scale", min=1, help="downscaling factor")] = 4,
    preview: Annotated[
        int | None,
        typer.Option(
            min=1, max=400, help="draw so many training samples of an option YAML instead"
        ),
    ] = None,
    opt: Annotated[
        Path | None, typer.Option("-opt", "--opt", help="option YAML of the preview")
    ] = None,
    compare: Annotated[
        Path | None,
        typer.Option(help="folder that this command wrote elsewhere: tell what differs from it"),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="seed of the preview's first sample")] = 0,
    overrides: Overrides = None,
) -> int:
    """Write degraded test sets, seeded per file, with a manifest of checksums.

    With --preview N -opt FILE: draw N training samples with the parameters that made each.
    """
    if preview is not None or opt is not None:
        if preview is None or opt is None:
            raise typer.BadParameter("--preview N and -opt FILE go together.")
        if recipe:
            raise typer.BadParameter("a preview shows the degradation of its option YAML.",
                                     param_hint="--recipe")  # fmt: skip
        from ..training.preview import write_preview

        write_preview(read_options(opt, overrides), target, preview, seed, source, typer.echo)
        return 0
    if source is None:
        raise typer.BadParameter("name the folder of HR images.", param_hint="-i")
    if not recipe:
        raise typer.BadParameter("name a recipe, or a group such as 'standard'.", param_hint="-r")
    from ..evaluation.degrade import write_testsets

    return write_testsets(source, target, recipe, scale, typer.echo, compare)


@prepare.command("sub-images")
def sub_images(
    source: Annotated[Path, typer.Option("-i", "--input", help="folder of large images")],
    target: Annotated[Path, typer.Option("-o", "--output", help="folder for the crops")],
    size: Annotated[int, typer.Option(min=1, help="side of a crop in pixels")] = 480,
    step: Annotated[int, typer.Option(min=1, help="distance of two crops in pixels")] = 240,
) -> int:
    """Cut large images into crops, which load faster in training."""
    from ..data.prepare import write_sub_images

    report = write_sub_images(source, target, size, step)
    typer.echo(str(report))
    return 1 if report.failures else 0


@prepare.command("meta-info")
def meta_info(
    source: Annotated[Path, typer.Option("-i", "--input", help="folder of images")],
    target: Annotated[Path, typer.Option("-o", "--output", help="text file")],
) -> int:
    """List a folder's images with their sizes, as BasicSR's meta-info files do."""
    from ..data.prepare import write_meta_info

    report = write_meta_info(source, target)
    typer.echo(str(report))
    return 1 if report.failures else 0
