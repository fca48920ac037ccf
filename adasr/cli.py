"""The command ``adasr``. Exit codes: 0 all done, 1 some inputs failed, 2 wrong usage or options."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from .errors import AdasrError, OptionError, TrainingError

if TYPE_CHECKING:
    from .options import Options

# Typer brings a Click of its own or uses the installed one; its public errors know which.
UsageError: type[Exception] = typer.BadParameter.__bases__[0]

app = typer.Typer(
    name="adasr",
    help="Generalizable blind super-resolution and image restoration.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
prepare = typer.Typer(help="Prepare datasets.", no_args_is_help=True)
app.add_typer(prepare, name="prepare")

OptionsFile = Annotated[Path, typer.Option("-opt", "--opt", help="option YAML", show_default=False)]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="override, e.g. train.total_iter=100"),
]


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


class Precision(StrEnum):
    """What a network computes in."""

    AUTO = "auto"
    FP32 = "fp32"
    BF16 = "bf16"
    FP16 = "fp16"


class Layout(StrEnum):
    """Whose key names ``adasr convert`` writes."""

    BASICSR = "basicsr"
    AUTHORS = "authors"
    MMSR = "mmsr"
    ESRGAN = "esrgan"


class XAxis(StrEnum):
    """What ``adasr plot`` draws curves over."""

    ITERATIONS = "iterations"
    TIME = "time"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit code. A user's mistake is one message, never a traceback."""
    try:
        code = app(args=arguments, prog_name="adasr", standalone_mode=False)
        return code if isinstance(code, int) else 0
    except typer.Exit as stop:
        return stop.exit_code
    except UsageError as error:
        cast(Any, error).show()
        return 2
    except TrainingError as error:
        return _failed(str(error), 1)
    except AdasrError as error:
        return _failed(str(error), 2)
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        return _failed(f"{place}{error.strerror or error}.", 1)
    except (RuntimeError, MemoryError) as error:
        if str(error).startswith("DataLoader worker"):  # torch's, wherever the run is just then
            return _failed(
                f"a process that loads images has ended ({error.args[0].splitlines()[0]}). Mostly "
                "memory has run out: lower datasets.train.num_worker_per_gpu. Go on with "
                "--auto-resume; what was saved is untouched.",
                1,
            )
        if _lost_process(error):
            return _failed(
                "another process of this training has ended; its own message, or torchrun's last "
                "lines, tell why. Go on from the last checkpoint with --auto-resume.",
                1,
            )
        if not _out_of_memory(error):
            raise
        return _failed(
            "out of memory. Try smaller crops (gt_size), a smaller batch (batch_size_per_gpu), "
            "a smaller network, or tiles (--tile).",
            1,
        )
    except (KeyboardInterrupt, typer.Abort):
        return _failed("interrupted.", 130)


def _out_of_memory(error: RuntimeError | MemoryError) -> bool:
    from .inference.memory import is_out_of_memory

    return isinstance(error, MemoryError) or is_out_of_memory(error)


def _lost_process(error: RuntimeError | MemoryError) -> bool:
    if "RANK" not in os.environ:
        return False
    from .training.processes import lost_process

    return lost_process(error)


def _failed(message: str, code: int) -> int:
    print(f"error: {message}", file=sys.stderr)
    return code


def _options(opt: Path, overrides: Sequence[str] | None) -> Options:
    """The checked options; how a file of another project was taken is told by one process."""
    from .options import load_options

    options = load_options(opt, overrides or ())
    if os.environ.get("RANK", "0") == "0":
        for line in options.source.notes:
            typer.echo(line)
    return options


@app.command()
def train(
    opt: OptionsFile,
    auto_resume: Annotated[
        bool,
        typer.Option(
            "--auto-resume",
            "--auto_resume",
            help="go on from the last saved state, if there is one",
        ),
    ] = False,
    overrides: Overrides = None,
) -> int:
    """Train a network as an option YAML says."""
    from .training.cache import build_cache, wants_cache
    from .training.processes import check_launch
    from .training.run import run_training

    check_launch()
    options = _options(opt, overrides)
    if wants_cache(options):
        build_cache(options)
    result = run_training(options, auto_resume)
    return 0 if result.stopped_by is None else 128 + result.stopped_by


@app.command()
def plot(
    runs: Annotated[
        list[Path],
        typer.Argument(metavar="RUN...", help="experiments' folders, or folders of experiments"),
    ],
    target: Annotated[Path, typer.Option("-o", "--output", help=".png, .svg or .pdf file")] = Path(
        "curves.png"
    ),
    metrics: Annotated[
        list[str] | None,
        typer.Option("--metrics", help="metric to draw, e.g. psnr or val/psnr; all by default"),
    ] = None,
    recipes: Annotated[
        bool, typer.Option("--recipes", help="a thin line for each recipe too")
    ] = False,
    x: Annotated[
        XAxis, typer.Option("--x", help="iterations, or hours of training")
    ] = XAxis.ITERATIONS,
    smooth: Annotated[
        float, typer.Option(min=0, max=0.999, help="weight of the moving average, as TensorBoard's")
    ] = 0.8,
    log_x: Annotated[bool, typer.Option("--logx", help="logarithmic x axis")] = False,
) -> int:
    """Draw the curves of one or several trainings, running or done, into one picture."""
    from .training.plot import plot_runs

    drawn = plot_runs(runs, target, metrics or (), x.value, recipes, smooth, log_x, typer.echo)
    return 0 if drawn else 1


@app.command()
def cache(opt: OptionsFile, overrides: Overrides = None) -> None:
    """Build the cache of decoded images that an option YAML's training set asks for."""
    from .training.cache import build_cache

    build_cache(_options(opt, overrides))


@app.command()
def check(opt: OptionsFile, overrides: Overrides = None) -> int:
    """Find everything that can fail before training: options, files, pairs, sizes, memory."""
    from .training.check import check_training

    return 0 if check_training(_options(opt, overrides), typer.echo) else 1


@app.command()
def test(opt: OptionsFile, overrides: Overrides = None) -> int:
    """Score a network on the datasets and metrics of an option YAML."""
    from .evaluation.run import run_test

    return 0 if run_test(_options(opt, overrides), typer.echo) else 1


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
) -> int:
    """Upscale an image file or a folder of images."""
    from .inference.command import infer_folder

    return infer_folder(
        source, target, weights, suffix, ext, tile, precision.value, device, skip_existing
    )


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
    from .options.yaml_text import parse
    from .weights import convert as convert_weights

    try:
        options = None if arch is None else parse(arch)[0]
    except OptionError as error:
        raise error.under("arch") from None
    typer.echo(convert_weights(source, target, layout.value, options, key))


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
        typer.Option("-r", "--recipe", help="recipe; 'all' for the eight of them"),
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
        from .training.preview import write_preview

        write_preview(_options(opt, overrides), target, preview, seed, source, typer.echo)
        return 0
    if source is None:
        raise typer.BadParameter("name the folder of HR images.", param_hint="-i")
    if not recipe:
        raise typer.BadParameter("name a recipe, or 'all'.", param_hint="-r")
    from .evaluation.degrade import write_testsets

    return write_testsets(source, target, recipe, scale, typer.echo)


@prepare.command("sub-images")
def sub_images(
    source: Annotated[Path, typer.Option("-i", "--input", help="folder of large images")],
    target: Annotated[Path, typer.Option("-o", "--output", help="folder for the crops")],
    size: Annotated[int, typer.Option(min=1, help="side of a crop in pixels")] = 480,
    step: Annotated[int, typer.Option(min=1, help="distance of two crops in pixels")] = 240,
) -> int:
    """Cut large images into crops, which load faster in training."""
    from .data.prepare import write_sub_images

    report = write_sub_images(source, target, size, step)
    typer.echo(str(report))
    return 1 if report.failures else 0


@prepare.command("meta-info")
def meta_info(
    source: Annotated[Path, typer.Option("-i", "--input", help="folder of images")],
    target: Annotated[Path, typer.Option("-o", "--output", help="text file")],
) -> int:
    """List a folder's images with their sizes, as BasicSR's meta-info files do."""
    from .data.prepare import write_meta_info

    report = write_meta_info(source, target)
    typer.echo(str(report))
    return 1 if report.failures else 0


@app.command("list")
def list_components(
    kind: Annotated[Kind | None, typer.Argument(help="all by default", show_default=False)] = None,
) -> None:
    """What can stand behind 'type:' in an option YAML, with each one's options."""
    from .registry import REGISTRIES

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
) -> None:
    """Print the JSON schema of option YAMLs, for editors."""
    import json

    from .files import write_text
    from .options import json_schema

    text = json.dumps(json_schema(), indent=2) + "\n"
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
    from .demo import run_demo

    return run_demo(out, opt)


@app.command()
def version() -> None:
    """Print the version."""
    from .version import __version__

    typer.echo(__version__)
