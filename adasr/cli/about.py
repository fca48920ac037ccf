"""Commands about adasr: ``list``, ``schema``, ``demo`` and ``version``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from .app import app


class Kind(StrEnum):
    """What ``adasr list`` lists."""

    ARCHS = "archs"
    DISCRIMINATORS = "discriminators"
    DATASETS = "datasets"
    DEGRADATIONS = "degradations"
    STEPS = "steps"
    REGULARIZERS = "regularizers"
    SCHEDULES = "schedules"
    LOSSES = "losses"
    METRICS = "metrics"
    OPTIMIZERS = "optimizers"
    LR_SCHEDULES = "lr_schedules"


@app.command("list")
def list_components(
    kind: Annotated[Kind | None, typer.Argument(help="all by default", show_default=False)] = None,
) -> None:
    """What can stand behind 'type:' in an option YAML, with each one's options."""
    from ..registry import REGISTRIES

    for name, registry in REGISTRIES.items():
        if kind is not None and name != kind.value:
            continue
        typer.echo(f"{name}\n{'=' * len(name)}")
        for component in registry.names():
            typer.echo(f"\n{component}: {registry.doc(component)}")
            for option in registry.options(component).values():
                default = "required" if option.required else f"= {option.default!r}"
                typer.echo(f"    {option.name}: {option.type_name} {default}")
                if option.doc:
                    typer.echo(f"        {option.doc}")
        if others := registry.fallback_names():
            typer.echo(f"\nof BasicSR: {', '.join(others)}")
        typer.echo("")


@app.command()
def schema(
    target: Annotated[Path | None, typer.Option("-o", "--output", help="JSON file")] = None,
    ablation: Annotated[
        bool, typer.Option("--ablation", help="of the YAMLs of 'adasr ablate' instead")
    ] = False,
) -> None:
    """Print the JSON schema of option YAMLs, for editors."""
    import json

    from ..ablation.schema import ablation_schema
    from ..files import write_text
    from ..options import json_schema

    text = json.dumps(ablation_schema() if ablation else json_schema(), indent=2) + "\n"
    if target is None:
        typer.echo(text, nl=False)
    else:
        write_text(target, text)


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="folder for what the demo makes")] = Path("demo"),
    opt: Annotated[Path, typer.Option("-opt", "--opt", help="option YAML")] = Path(
        "options/train/quickstart.yml"
    ),
) -> int:
    """Train a small network on bundled images and show what it does, in minutes on a CPU."""
    from ..demo import run_demo

    return run_demo(out, opt)


@app.command()
def version() -> None:
    """Print the version."""
    from ..version import __version__

    typer.echo(__version__)
