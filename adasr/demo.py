"""The main job in minutes: train on bundled images, validate, upscale a folder, show pictures."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich.console import Console

from .data.images import read_rgb, to_tensor, write_image
from .data.prepare import write_sub_images
from .data.samples import write_samples
from .degradations.testset import degrade
from .evaluation.build import make_datasets, make_metrics
from .evaluation.pictures import comparison, side_by_side
from .evaluation.scores import Evaluation
from .evaluation.tables import rich_table, write_scores
from .evaluation.validate import evaluate
from .inference.folder import upscale_folder
from .inference.upscaler import Upscaler
from .options import Options, load_options
from .training.plot import plot_runs
from .training.run import run_training

SHOWN_RECIPES = ("blur2", "noise20_jpeg50", "blur2_noise20_jpeg50")
"""The degradations of the folder that is upscaled and of the pictures."""


def run_demo(out: Path, opt: Path) -> int:
    """Train, validate, upscale and draw into ``out``; 1 if bicubic interpolation is not beaten.

    Args:
        out: the demo's folder.
        opt: option YAML; its data and experiment folders are put below ``out``.
    """
    console = Console(highlight=False)
    images = out / "images"
    train_files, val_files = write_samples(images)
    # Crops of large files would wait for their decoding; small ones load in no time.
    crops = write_sub_images(images / "train", out / "images_sub", size=256, step=256)
    console.print(
        f"{len(train_files)} training images (as {len(crops.written) + len(crops.kept)} crops) and "
        f"{len(val_files)} validation images in {images}"
    )
    options = load_options(
        opt,
        [
            f"path.experiments_root={json.dumps(str(out / 'experiments'))}",
            f"datasets.train.dataroot_gt={json.dumps(str(out / 'images_sub'))}",
            f"datasets.val.dataroot_gt={json.dumps(str(images / 'val'))}",
        ],
    )
    result = run_training(options)
    if result.stopped_by is not None:
        return 128 + result.stopped_by
    folder = out / "experiments" / options.name
    weights = folder / "models" / f"net_g_{result.iteration}.safetensors"
    upscaler = Upscaler(weights, device="cpu")
    evaluation = _evaluate(upscaler, options, console)
    write_scores([evaluation], out / "scores")
    console.print(rich_table([evaluation]))
    _upscale_folder(upscaler, val_files, out, options.scale)
    pictures = _compare(upscaler, val_files, out / "comparison", options.scale)
    plot = out / "training.png"
    plot_runs([folder], plot, recipes=True, tell=console.print)
    console.print(
        f"weights      {weights}\n"
        f"scores       {out / 'scores'}\n"
        f"upscaled     {out / 'upscaled'} (from {out / 'inputs'})\n"
        f"comparisons  {pictures[0].parent} ({len(pictures)} pictures)\n"
        f"training     {plot}"
    )
    return _verdict(evaluation, console)


def _evaluate(upscaler: Upscaler, options: Options, console: Console) -> Evaluation:
    dataset = make_datasets(options, options.validation_datasets)["val"]
    metrics = make_metrics(options, console.print)
    return evaluate(
        upscaler.net, dataset, metrics, baseline=True, model="adasr", dataset_name="samples"
    )


def _upscale_folder(upscaler: Upscaler, files: Sequence[Path], out: Path, scale: int) -> None:
    for path in files:
        for recipe in SHOWN_RECIPES:
            lq = degrade(read_rgb(path), recipe, scale, path.stem)
            write_image(out / "inputs" / f"{path.stem}_{recipe}.png", lq)
    upscale_folder(upscaler, out / "inputs", out / "upscaled")


def _compare(upscaler: Upscaler, files: Sequence[Path], folder: Path, scale: int) -> list[Path]:
    """A labelled picture LQ | bicubic | SR | GT for every image and shown recipe."""
    written = []
    for path in files:
        gt = read_rgb(path)
        for recipe in SHOWN_RECIPES:
            lq = degrade(gt, recipe, scale, path.stem)
            panels = comparison(to_tensor(lq), to_tensor(upscaler(lq)), to_tensor(gt))
            target = folder / f"{path.stem}_{recipe}.png"
            write_image(target, side_by_side(panels, f"{path.stem}, {recipe}"))
            written.append(target)
    return written


def _verdict(evaluation: Evaluation, console: Console) -> int:
    assert evaluation.baseline is not None
    degraded = [recipe for recipe in evaluation.recipes if recipe != "clean"]

    def mean(scores: Evaluation) -> float:
        return float(np.mean([scores.mean("psnr", recipe) for recipe in degraded]))

    ours, theirs = mean(evaluation), mean(evaluation.baseline)
    told = (
        f"mean PSNR over the {len(degraded)} degraded recipes: "
        f"adasr {ours:.2f} dB, bicubic {theirs:.2f} dB"
    )
    if ours > theirs:
        console.print(f"{told}: the network is {ours - theirs:.2f} dB better.")
        return 0
    console.print(f"{told}: the network does NOT beat bicubic interpolation.")
    return 1
