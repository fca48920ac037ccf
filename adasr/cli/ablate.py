"""``adasr ablate``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .app import Overrides, app
from .many import ManyValues


@app.command(cls=ManyValues)
def ablate(
    opt: Annotated[
        list[Path],
        typer.Option(
            "-opt",
            "--opt",
            metavar="FILE...",
            help="ablation YAML, see options/ablation/; several: one after the other",
        ),
    ],
    jobs: Annotated[int, typer.Option("-j", "--jobs", min=1, help="trainings at once")] = 1,
    only: Annotated[
        list[str] | None,
        typer.Option(
            "--only", metavar="NAME...", help="only these variants or runs (with * and ?)"
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="tell what is done and to do, and end")
    ] = False,
    report: Annotated[
        bool, typer.Option("--report", help="train nothing, compare what is done")
    ] = False,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="train anew what was trained with other options")
    ] = False,
    base: Annotated[
        Path | None, typer.Option("--base", help="option YAML in place of the file's base")
    ] = None,
    name: Annotated[
        str | None, typer.Option("--name", help="name of the folder, in place of the file's")
    ] = None,
    overrides: Overrides = None,
) -> int:
    """Train and compare several configurations and seeds from one file.

    Goes on where it was stopped, and trains only what is not done. Exit codes: 0 all done; 1 a
    training or an image failed; 2 wrong options; 130 and 143 stopped.
    """
    from ..ablation.command import ablate as run
    from ..ablation.plan import read_ablation

    if name is not None and len(opt) > 1:
        raise typer.BadParameter("names one study; give one file.", param_hint="--name")
    if len(opt) > 1:  # all of them right before the first is trained
        for file in opt:
            read_ablation(file, overrides or (), base)
    code = 0
    for file in opt:
        ended = run(
            file,
            overrides or (),
            base=base,
            name=name,
            jobs=jobs,
            only=only or (),
            fresh=fresh,
            dry_run=dry_run,
            report=report,
            tell=typer.echo,
        )
        code = max(code, ended)
        if ended > 128:  # a signal means all of them
            break
    return code
