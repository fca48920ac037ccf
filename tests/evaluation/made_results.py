"""Results of benchmarks that never ran, for tests of statistics and reports."""

from __future__ import annotations

import numpy as np

from adasr.evaluation.report import Picture
from adasr.evaluation.results import BICUBIC, DatasetInfo, Model, RecipeInfo, Results
from adasr.evaluation.scores import Evaluation, ImageScore

PROTOCOLS = {
    "psnr": {"metric": "psnr", "crop_border": 4, "channel": "y"},
    "lpips": {"metric": "lpips", "net": "alex"},
}
DIRECTIONS = {"psnr": True, "lpips": False}
RECIPES = [
    RecipeInfo("clean"),
    RecipeInfo("blur2", ("gaussian blur",)),
    RecipeInfo("noise20", ("gaussian noise",)),
    RecipeInfo("motion15", ("motion blur",), "unseen"),
    RecipeInfo("speckle", ("speckle",), "unseen"),
]


def made_results(
    models: dict[str, float],
    images: dict[str, int] | None = None,
    recipes: list[RecipeInfo] | None = None,
    seeds: int = 1,
    noise: float = 0.2,
    spread: float | None = None,
) -> Results:
    """Bicubic interpolation and networks that gain so many dB over it, half of it when unseen.

    Args:
        models: group to its gain.
        images: dataset to its number of images.
        recipes: the test degradations.
        seeds: networks in each group.
        noise: spread of the gains over images.
        spread: of the gains over networks; by default as over images.
    """
    spread = noise if spread is None else spread
    recipes = RECIPES if recipes is None else recipes
    images = {"Set5": 5, "Set14": 14} if images is None else images
    networks = [Model(BICUBIC, BICUBIC)]
    gains = {BICUBIC: 0.0}
    for k, (group, gain) in enumerate(models.items()):
        for seed in range(seeds):
            name = group if seeds == 1 else f"{group}-s{seed}"
            networks.append(
                Model(
                    name,
                    group,
                    seed,
                    f"weights/{name}.safetensors",
                    f"{k}{seed}" * 32,
                    "SRResNet 64x16",
                    1_517_571,
                    ("gaussian blur", "gaussian noise"),
                    {"name": name, "iteration": 500_000, "regularizer": "AdaptiveDropout"},
                )
            )
            gains[name] = gain
    datasets = [
        DatasetInfo(
            name,
            f"datasets/{name}",
            {
                f"img_{i:03}": {"width": 256, "height": 192, "sha256": f"{i:064x}"}
                for i in range(count)
            },
        )
        for name, count in images.items()
    ]
    evaluations = [
        _evaluation(
            k,
            model.name,
            gains[model.name],
            number,
            dataset,
            recipes,
            noise,
            noise if spread is None else spread,
        )
        for k, model in enumerate(networks)
        for number, dataset in enumerate(datasets)
    ]
    about = {
        "date": "2026-11-21",
        "command": "adasr benchmark -m weights --data datasets",
        "versions": {"adasr": "0.1", "torch": "2.13"},
        "device": "cpu",
        "seconds": 12.5,
    }
    return Results(4, networks, datasets, recipes, evaluations, about)


def _evaluation(
    k: int,
    model: str,
    gain: float,
    number: int,
    dataset: DatasetInfo,
    recipes: list[RecipeInfo],
    noise: float,
    spread: float,
) -> Evaluation:
    common = np.random.default_rng(number)  # the same images for every model
    own = np.random.default_rng(1000 + k)
    level = 27 + 2.5 * common.normal(size=len(dataset.images))
    shift = 0.0 if model == BICUBIC else spread * own.normal()
    scores = []
    for i, image in enumerate(dataset.images):
        for j, recipe in enumerate(recipes):
            share = 1.0 if recipe.kind == "seen" else 0.5 - 0.15 * (j % 5)
            more = 0.0 if model == BICUBIC else share * gain + shift + noise * own.normal()
            psnr = float(level[i] - 0.4 * j + more)
            values = {"psnr": psnr, "lpips": float(np.clip(1.1 - psnr / 33, 0.02, 1))}
            scores.append(ImageScore(image, recipe.name, values))
    return Evaluation(model, dataset.name, PROTOCOLS, DIRECTIONS, scores)


def made_pictures(
    results: Results, images: int = 2, side: int = 160, ground_truth: bool = True
) -> list[Picture]:
    """Waves and edges, and what each model could have made of them."""
    y, x = np.mgrid[: side * 3 // 4, :side]
    found = []
    dataset = results.datasets[0]
    for i, name in enumerate(list(dataset.images)[:images]):
        wave = np.sin((x * (i + 2) + y * y / 40) / 9) * 90 + 128
        gt = np.stack([wave, 255 - wave, (x + y) % 32 * 7], 2).astype(np.uint8)
        for recipe in results.recipes[:3]:
            lq = gt[::4, ::4]
            random = np.random.default_rng(i)
            sr = {
                model.name: np.clip(gt + random.normal(0, 4 * (k + 1), gt.shape), 0, 255).astype(
                    np.uint8
                )
                for k, model in enumerate(reversed(results.models))
            }
            sr = {model.name: sr[model.name] for model in results.models}
            truth = gt if ground_truth else None
            found.append(Picture(dataset.name, name, recipe.name, lq, truth, sr))
    return found
