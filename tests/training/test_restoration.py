"""The shipped files for restoration at full size and for BSRGAN: train, test, infer."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from adasr.cli import main
from adasr.data.images import read_image, write_image
from adasr.registry import DEGRADATION_REGISTRY
from adasr.training.log import read_metrics

OPTIONS = Path(__file__).resolve().parents[2] / "options" / "train"
TINY = (
    "network_g.num_feat=8",
    "network_g.num_block=2",
    "datasets.train.batch_size_per_gpu=2",
    "datasets.train.num_worker_per_gpu=0",
    "train.total_iter=3",
    "train.scheduler.periods=[3]",
    "train.precision=fp32",
    "val.val_freq=3",
    "val.metrics={psnr: {}}",
    "logger.print_freq=1",
    "logger.save_checkpoint_freq=3",
    "logger.use_tb_logger=false",
)


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Three pictures of a size that no factor divides."""
    random = np.random.default_rng(0)
    for i in range(3):
        coarse = random.random((9, 11, 3)).repeat(8, 0).repeat(8, 1)[:71, :83]
        write_image(tmp_path / "images" / f"{i}.png", (coarse * 255).astype(np.uint8))
    return tmp_path / "images"


@pytest.mark.parametrize("name", ["denoise", "dejpeg", "deblur", "srresnet_x4_bsrgan"])
def test_a_shipped_file_trains_tests_and_infers(name: str, images: Path, tmp_path: Path) -> None:
    scale = 4 if "x4" in name else 1
    vals = ["val_set5", "val_set14"] if scale == 4 else ["val_set14"]
    changes = [
        *TINY,
        f"datasets.train.dataroot_gt={images}",
        f"datasets.train.gt_size={8 * scale}",
        f"path.experiments_root={tmp_path / 'experiments'}",
        f"path.results_root={tmp_path / 'results'}",
        *(f"datasets.{val}.dataroot_gt={images}" for val in vals),
    ]
    arguments = ["-opt", str(OPTIONS / f"{name}.yml")]
    arguments += [part for change in changes for part in ("--set", change)]
    assert main(["check", *arguments]) == 0
    assert main(["train", *arguments]) == 0
    records = read_metrics(tmp_path / "experiments" / name)
    losses = [r["losses"]["l_pix"] if "losses" in r else r["l_pix"]
              for r in records if r["kind"] == "train"]  # fmt: skip
    assert np.isfinite(losses).all()
    weights = tmp_path / "experiments" / name / "models" / "net_g_3.safetensors"
    assert main(["test", *arguments, "--set", f"path.pretrain_network_g={weights}"]) == 0
    scores = json.loads((tmp_path / "results" / name / "scores.json").read_text())
    assert scores
    results = tmp_path / "out"
    assert main(["infer", "-i", str(images), "-m", str(weights), "-o", str(results)]) == 0
    assert read_image(results / "0.png").shape == (71 * scale, 83 * scale, 3)


@pytest.mark.parametrize("recipe", ["clean", "blur2_noise20_jpeg50"])
def test_recipes_and_pairs_can_be_scored_at_full_size(
    recipe: str, images: Path, tmp_path: Path
) -> None:
    lq = tmp_path / "lq"
    assert main(["degrade", "-i", str(images), "-o", str(lq), "-r", recipe, "-s", "1"]) == 0
    assert read_image(lq / recipe / "0.png").shape == (71, 83, 3)
    same = np.array_equal(read_image(lq / recipe / "0.png"), read_image(images / "0.png"))
    assert same == (recipe == "clean")
    pairs = f"{{type: PairedFolder, dataroot_gt: {images}, dataroot_lq: {lq / recipe}}}"
    arguments = ["-opt", str(OPTIONS / "denoise.yml")]
    changes = [
        *TINY,
        f"datasets.train.dataroot_gt={images}",
        "datasets.train.gt_size=16",
        f"datasets.val_set14={pairs}",
        f"path.experiments_root={tmp_path / 'experiments'}",
    ]
    arguments += [part for change in changes for part in ("--set", change)]
    assert main(["train", *arguments]) == 0


def test_every_preset_has_a_file_or_is_the_released_one() -> None:
    shipped = {
        name
        for name in DEGRADATION_REGISTRY.names()
        if any(f"type: {name}" in file.read_text() for file in OPTIONS.glob("*.yml"))
    }
    assert {"RealESRGAN", "BSRGAN", "Denoise", "DeJPEG", "Deblur"} <= shipped
